// A reason that was typed and not sent is lost with the page, so leaving asks first. Sending the
// form it stands in is no loss.

const written = document.querySelectorAll(
  "[data-answer] textarea, .aside textarea, #notes textarea, .legal-hold .form-control",
);
let sent = null;

window.addEventListener("submit", (event) => {
  if (!event.defaultPrevented) sent = event.target;
});

window.addEventListener("beforeunload", (event) => {
  if (![...written].some((field) => field.form !== sent && field.value.trim())) return;
  event.preventDefault();
  // Who stays may send that other form later, and is asked again then.
  delete sent?.dataset.sent;
  delete sent?.dataset.confirmed;
  sent = null;
});
