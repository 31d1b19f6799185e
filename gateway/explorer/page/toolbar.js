/** The line above the editor: who asks and until when, signing in and out. */
import { createElement as h, useState } from 'react';
import { clock } from './session.ts';
import { SignIn } from './sign-in-form.js';

export function Bar({ state, form, signOut }) {
  const [open, setOpen] = useState(false);
  const { words } = form;
  const { caller, kind, message } = state;
  const anonymous = caller.expires === null;
  const roles = caller.roles.length > 0 ? words.roles(caller.roles.join(', ')) : words.noRole;
  const facts = [
    roles,
    ...(caller.parks?.length ? [words.parks(caller.parks.join(', '))] : []),
    ...(anonymous ? [] : [words.until(clock(caller.expires))]),
  ];
  const close = () => setOpen(false);
  const toggle = h(
    'button',
    { type: 'button', 'aria-expanded': open, onClick: () => setOpen(!open) },
    open ? words.cancel : kind === 'ended' ? words.signInAgain : words.signIn,
  );
  return h(
    'header',
    { className: 'isthmus-bar' },
    h(
      'div',
      { className: 'isthmus-who' },
      h('strong', null, anonymous ? words.notSignedIn : caller.subject),
      facts.map((fact) => h('span', { key: fact }, fact)),
    ),
    h(
      'div',
      { className: 'isthmus-actions' },
      kind === 'ended' || anonymous ? toggle : null,
      anonymous ? null : h('button', { type: 'button', onClick: signOut }, words.signOut),
    ),
    message && h('p', { role: kind === 'ended' ? 'alert' : 'status', className: 'isthmus-message' }, message),
    open && h(SignIn, { ...form, done: close }),
  );
}
