/** Where people sign in: at an issuer, or by a token that they paste. */
import { createElement as h, useId, useState } from 'react';

/** `title`: absent within the page. `message`: what happened before. `done`: called after a token was taken. */
export function SignIn({ words, clients, signInAt, useToken, title, message, done }) {
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState(null);
  const id = useId();
  const attempt = (work) => {
    setBusy(true);
    setFault(null);
    work().then((found) => {
      setBusy(false);
      setFault(found);
      if (found === null) done?.();
    });
  };
  const submit = (event) => {
    event.preventDefault();
    if (token.trim() !== '') attempt(() => useToken(token));
  };
  const told = fault ?? message;
  return h(
    'section',
    { className: 'isthmus-sign-in' },
    title && h('h1', null, title),
    title && h('p', null, words.signInTo),
    told && h('p', { role: fault ? 'alert' : 'status', className: 'isthmus-message' }, told),
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
        words.signInAt(client.name),
      ),
    ),
    h(
      'form',
      { onSubmit: submit },
      h('label', { htmlFor: id }, clients.length > 0 ? words.orToken : words.token),
      h('textarea', {
        id,
        rows: 3,
        value: token,
        spellCheck: false,
        autoComplete: 'off',
        'aria-describedby': `${id}-hint`,
        onChange: (event) => setToken(event.target.value),
      }),
      h('p', { id: `${id}-hint`, className: 'isthmus-hint' }, words.tokenHint),
      h(
        'button',
        {
          type: 'submit',
          className: clients.length > 0 ? '' : 'isthmus-primary',
          disabled: busy || token.trim() === '',
        },
        busy ? words.checking : words.useToken,
      ),
    ),
  );
}
