// region: events
async function* readEvents(url, token) {
  const response = await fetch(url, { headers: { Authorization: "Bearer " + token } });
  if (!response.ok) {
    throw new Error(response.status + " " + response.headers.get("WWW-Authenticate"));
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) {
      return;
    }
    const events = (text + value).split("\n\n");
    text = events.pop();
    yield* events;
  }
}
// endregion
