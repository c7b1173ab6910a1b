// What goes with an answer: a removal's harm class, another case's number. The server checks it; here
// the classes that do not fit are out of reach, and the number is asked for. A class that was chosen for
// one answer is not carried over to another, where nobody may see it: the case's own stands there again.
// Where a single class fits, as with answer 1 on a match whose class is known, it is chosen.

const answered = document.querySelector("[data-answer]");
const own = answered?.dataset.class;

// Who is told of a removal, by its class: of the chosen answer by that chosen, of the others by the case's.
function tell(answer) {
  for (const each of answered.querySelectorAll("[data-digit]")) {
    const now = each === answer ? answered.elements.harm_class.value : own;
    const sentences = [...each.closest("label").querySelectorAll("[data-for-class]")];
    const fits = sentences.find((sentence) => sentence.dataset.forClass === now);
    for (const sentence of sentences) sentence.hidden = sentence !== (fits ?? sentences.at(-1));
  }
}

function fit(answer, { anew }) {
  const other = answered.elements.duplicate_of;
  other.required = answer.matches("[data-names-a-case]");
  if (other.required) other.scrollIntoView({ block: "nearest" });
  const classes = answer.dataset.classes?.split(" ");
  if (!classes) return;
  const field = answered.elements.harm_class;
  for (const option of field.options) {
    option.disabled = !classes.includes(option.value);
    option.hidden = option.disabled;
  }
  if (anew) field.value = own;
  const fitting = [...field.options].filter((option) => !option.disabled);
  if (fitting.length === 1) field.value = fitting[0].value;
  if (field.selectedOptions[0]?.disabled) field.selectedIndex = -1;
  if (field.selectedIndex === -1) field.scrollIntoView({ block: "nearest" }); // to be chosen
}

if (answered) {
  const chosen = answered.querySelector("[data-digit]:checked");
  if (chosen) fit(chosen, { anew: false });
  answered.addEventListener("change", (event) => {
    if (event.target.matches("[data-digit]")) fit(event.target, { anew: true });
    tell(answered.querySelector("[data-digit]:checked"));
  });
}
