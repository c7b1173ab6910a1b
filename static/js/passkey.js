// A passkey, shown to or made for the page's form: the browser and the key do the work, we carry
// their words. data-passkey on the form: "get" or "create"; its options stand in #passkey-options.

const form = document.querySelector("[data-passkey]");
const wrong = document.querySelector("[data-passkey-wrong]");

function say(text) {
  wrong.textContent = text;
  wrong.hidden = false;
}

function why(error) {
  if (error.name === "NotAllowedError") return "No passkey was shown. Try again when you are ready.";
  if (error.name === "InvalidStateError") return "This passkey is set up already. Use another one.";
  return "This browser could not use a passkey here. Use the app or a recovery code.";
}

async function ask() {
  const { publicKey } = JSON.parse(document.getElementById("passkey-options").textContent);
  const create = form.dataset.passkey === "create";
  const read = create
    ? PublicKeyCredential.parseCreationOptionsFromJSON
    : PublicKeyCredential.parseRequestOptionsFromJSON;
  const asked = { publicKey: read.call(PublicKeyCredential, publicKey) };
  const shown = await (create
    ? navigator.credentials.create(asked)
    : navigator.credentials.get(asked));
  form.elements.credential.value = JSON.stringify(shown.toJSON());
  form.requestSubmit();
}

const able = window.PublicKeyCredential?.parseRequestOptionsFromJSON;
const button = document.querySelector("[data-passkey-button]");

if (button && able) {
  button.addEventListener("click", async () => {
    wrong.hidden = true;
    try {
      await ask();
    } catch (error) {
      say(why(error));
    }
  });
} else if (button) {
  button.disabled = true;
  say("Passkeys need a newer browser and an address that begins with https.");
}
