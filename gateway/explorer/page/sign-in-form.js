/** The sign-in form: buttons for the issuers, and a field for a token. */
import { createElement as h, useId, useState } from 'react';

/** `title`: absent within the page. `message`: shown above the form. `done`: called after a token was accepted. */
export function SignIn({ messages, clients, signInAt, useToken, title, message, done }) {
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const id = useId();
  const attempt = (work) => {
    setBusy(true);
    setError(null);
    work().then((message) => {
      setBusy(false);
      setError(message);
      if (message === null) done?.();
    });
  };
  const submit = (event) => {
    event.preventDefault();
    if (token.trim() !== '') attempt(() => useToken(token));
  };
  const text = error ?? message;
  return h(
    'section',
    { className: 'isthmus-sign-in' },
    title && h('h1', null, title),
    title && h('p', null, messages.signInTo),
    text && h('p', { role: error ? 'alert' : 'status', className: 'isthmus-message' }, text),
    clients.map((client) =>
      h(
        'button',
        {
          key: client.issuer,
          type: 'button',
          className: 'isthmus-primary',
          disabled: busy,
          onClick: () => attempt(() => signInAt(client)),
        },
        messages.signInAt(client.name),
      ),
    ),
    h(
      'form',
      { onSubmit: submit },
      h('label', { htmlFor: id }, clients.length > 0 ? messages.orPasteToken : messages.token),
      h('textarea', {
        id,
        rows: 3,
        value: token,
        spellCheck: false,
        autoComplete: 'off',
        'aria-describedby': `${id}-hint`,
        onChange: (event) => setToken(event.target.value),
      }),
      h('p', { id: `${id}-hint`, className: 'isthmus-hint' }, messages.tokenHint),
      h(
        'button',
        {
          type: 'submit',
          className: clients.length > 0 ? '' : 'isthmus-primary',
          disabled: busy || token.trim() === '',
        },
        busy ? messages.checking : messages.useToken,
      ),
    ),
  );
}
