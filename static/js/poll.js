// A part with data-poll asks for itself again and again. When no answer comes it says so.

function stale(event, shown) {
  const part = event.target.closest("[data-poll]");
  const line = part?.querySelector(".stale");
  if (line) line.hidden = !shown;
}

document.addEventListener("htmx:sendError", (event) => stale(event, true));
document.addEventListener("htmx:responseError", (event) => stale(event, true));
document.addEventListener("htmx:timeout", (event) => stale(event, true));
