// Some answers take a written reason. The server checks it; here the label says so as soon as such
// an answer is chosen, and the box comes into sight.

const form = document.querySelector("[data-answer]");

function show(answer) {
  const needed = answer.matches("[data-explain]");
  const label = form.querySelector("[data-reason-need]");
  label.textContent = needed ? "required" : "optional";
  label.classList.toggle("needed", needed);
  form.elements.reason.required = needed;
  if (needed) form.querySelector("[data-reason]").scrollIntoView({ block: "nearest" });
}

if (form) {
  const chosen = form.querySelector("[data-digit]:checked");
  if (chosen) show(chosen);
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-digit]")) show(event.target);
  });
}
