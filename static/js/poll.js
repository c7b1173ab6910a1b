// A part with data-poll asks for itself again and again. When no answer comes it says so, and when
// the log-in has run out the whole page is loaded, so that no log-in form appears inside a panel.

function stale(event, shown) {
  const part = event.target.closest("[data-poll]");
  const line = part?.querySelector(".stale");
  if (line) line.hidden = !shown;
}

document.addEventListener("htmx:sendError", (event) => stale(event, true));
document.addEventListener("htmx:responseError", (event) => stale(event, true));
document.addEventListener("htmx:timeout", (event) => stale(event, true));
document.addEventListener("htmx:beforeSwap", (event) => {
  const asked = event.detail.requestConfig?.path.split("?")[0];
  const answered = new URL(event.detail.xhr.responseURL || location.href).pathname;
  if (asked && answered !== asked) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});
