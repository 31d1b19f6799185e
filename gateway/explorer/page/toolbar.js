/** The bar above the editor: the caller and the expiry of its token, sign-in and sign-out. */
import { createElement as h, useState } from 'react';
import { formatTime } from './session.ts';
import { SignIn } from './sign-in-form.js';

export function Bar({ state, form, signOut }) {
  const [open, setOpen] = useState(false);
  const { messages } = form;
  const { caller, kind, message } = state;
  const anonymous = caller.expires === null;
  const roles = caller.roles.length > 0 ? messages.roles(caller.roles.join(', ')) : messages.noRole;
  const facts = [
    roles,
    ...(caller.parks?.length ? [messages.parks(caller.parks.join(', '))] : []),
    ...(anonymous ? [] : [messages.until(formatTime(caller.expires))]),
  ];
  const close = () => setOpen(false);
  const toggle = h(
    'button',
    { type: 'button', 'aria-expanded': open, onClick: () => setOpen(!open) },
    open ? messages.cancel : kind === 'ended' ? messages.signInAgain : messages.signIn,
  );
  return h(
    'header',
    { className: 'isthmus-bar' },
    h(
      'div',
      { className: 'isthmus-who' },
      h('strong', null, anonymous ? messages.notSignedIn : caller.subject),
      facts.map((fact) => h('span', { key: fact }, fact)),
    ),
    h(
      'div',
      { className: 'isthmus-actions' },
      kind === 'ended' || anonymous ? toggle : null,
      anonymous ? null : h('button', { type: 'button', onClick: signOut }, messages.signOut),
    ),
    message && h('p', { role: kind === 'ended' ? 'alert' : 'status', className: 'isthmus-message' }, message),
    open && h(SignIn, { ...form, done: close }),
  );
}
