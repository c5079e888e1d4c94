// The form that is shown where the daemon wants a token.
import { h, morph } from './dom.js';
import { login } from './api.js';

// askToken shows the form in an element and resolves once the daemon took the token.
export function askToken(main) {
  const problem = h('p', { class: 'problem bad', role: 'alert', hidden: true });
  const input = h('input', { id: 'token', name: 'token', type: 'password', autocomplete: 'current-password', required: true, spellcheck: 'false' });
  const button = h('button', { type: 'submit' }, 'Log in');
  const form = h('form', { class: 'login', method: 'post', action: '/login', 'aria-labelledby': 'h-login' },
    h('h1', { id: 'h-login', tabindex: -1 }, 'Log in'),
    h('p', null, 'This daemon shows its state to those who have its token.'),
    h('label', { for: 'token' }, 'Token'), input, button, problem);
  morph(main, h('div'));
  main.append(form);
  document.title = 'Log in – cmkd';
  input.focus();
  return new Promise((resolve) => {
    form.addEventListener('submit', async (e) => {
      e.preventDefault();
      button.disabled = true;
      const wrong = await login(input.value.trim()).catch(() => 'The daemon cannot be reached.');
      button.disabled = false;
      if (!wrong) {
        form.remove();
        resolve();
        return;
      }
      problem.hidden = false;
      problem.textContent = wrong;
      input.select();
      input.focus();
    });
  });
}
