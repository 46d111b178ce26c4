import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Admin } from '../io/server/admin.ts';
import { ServerError } from '../io/server/errors.ts';
import { ServerObserver } from './server-observer.ts';

function world() {
  const it = { opened: 0, closed: 0, isSilent: false };
  const admin = {
    call: async () => {
      if (it.isSilent) throw new ServerError('SERVER_SILENT', 'no answer');
      return 'answer';
    },
    close: () => {
      it.closed += 1;
    },
  } as unknown as Admin;
  const observer = new ServerObserver({
    admin: async () => {
      it.opened += 1;
      return admin;
    },
  });
  return { it, observer };
}

test('a question without an answer costs its connection only: the next one is asked anew', async () => {
  const { it, observer } = world();
  equal(await observer.call(['INFO']), 'answer');
  equal(await observer.call(['INFO']), 'answer');
  equal(it.opened, 1);
  it.isSilent = true;
  equal(await observer.call(['INFO']), null);
  it.isSilent = false;
  equal(await observer.call(['INFO']), 'answer');
  equal(it.opened, 2);
});

test('after its server is gone nothing is asked', async () => {
  const { it, observer } = world();
  await observer.call(['INFO']);
  observer.close();
  equal(await observer.call(['INFO']), null);
  await Promise.resolve();
  equal(it.closed, 1);
});
