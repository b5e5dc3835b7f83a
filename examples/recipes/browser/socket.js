// region: socket
function openSocket(url, token) {
  return new WebSocket(url, ["orders.v1", "bearer." + token]);
}
// endregion
