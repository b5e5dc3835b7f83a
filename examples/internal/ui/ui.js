// Says that work is going on, and what came of it. Every page works without this.
"use strict";
(() => {
  const live = document.getElementById("live");
  const say = (text) => { if (live) live.textContent = text; };
  const key = "pressed-by-keyboard";

  addEventListener("submit", (event) => {
    const button = event.submitter;
    if (document.body.classList.contains("busy")) { // pressed twice
      event.preventDefault();
      return;
    }
    document.body.classList.add("busy");
    if (!button) return;
    button.setAttribute("aria-busy", "true");
    sessionStorage.setItem(key, button.matches(":focus-visible"));
    say("Working …");
  });

  addEventListener("pageshow", (event) => { // also when the browser goes back
    document.body.classList.remove("busy");
    document.querySelectorAll("[aria-busy]").forEach((busy) => busy.removeAttribute("aria-busy"));
    if (event.persisted) return;
    const pressed = document.querySelector("[data-pressed]");
    if (pressed) { // so that the keyboard goes on where it was
      pressed.classList.toggle("quiet", sessionStorage.getItem(key) !== "true");
      pressed.addEventListener("blur", () => pressed.classList.remove("quiet"), { once: true });
      pressed.focus({ preventScroll: true });
    }
    const headline = document.getElementById("headline");
    if (headline) setTimeout(() => say(headline.innerText), 150); // a change is read out, what stood there is not
  });
})();
