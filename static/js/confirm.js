// A form with data-confirm, or a button that has it, asks first, in a dialog that says what follows.
// data-consequence: one more sentence; data-confirm-label: the word on the button that goes ahead.

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function ask(form, submitter, asks) {
  const dialog = document.createElement("dialog");
  dialog.className = "ask";
  const title = element("h2", asks.confirm);
  title.id = "ask-title";
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.append(title);
  if (asks.consequence) dialog.append(element("p", asks.consequence));

  const actions = element("div", "", "actions");
  const back = element("button", "Go back", "btn");
  const tone = submitter?.classList.contains("btn-danger") ? "btn-danger" : "btn-primary";
  const ahead = element("button", asks.confirmLabel || "Go ahead", `btn ${tone}`);
  back.type = ahead.type = "button";
  back.autofocus = true; // the harmless answer is the one under the finger
  actions.append(back, ahead);
  dialog.append(actions);

  back.addEventListener("click", () => dialog.close());
  ahead.addEventListener("click", () => {
    dialog.close();
    form.dataset.confirmed = "yes";
    form.requestSubmit(submitter);
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  const asks = event.submitter?.dataset.confirm ? event.submitter.dataset : form.dataset;
  if (!asks.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  ask(form, event.submitter, asks);
}, true);
