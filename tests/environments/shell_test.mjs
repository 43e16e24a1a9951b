// A shell, by OpenSSH's own client with `millrace env proxy` as its ProxyCommand.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { eventually, execute, json, millrace, site } from './program.mjs';

before(() => millrace('env', 'create', 'sh', '--kind', 'shell', '--cpus', '0.5', '--memory', '512MiB'));
after(() => millrace('env', 'delete', 'sh', '--volume'));

/** ssh as `millrace env open --print` would run it, with options and a command added. */
async function ssh(options, command) {
  const { command: argv } = await json('env', 'open', 'sh');
  return execute(argv[0], [...options, ...argv.slice(1), ...command]);
}

test('a command runs as the unprivileged user, with the platform at hand', async () => {
  const { stdout, stderr, code } = await ssh([], ['id -u; pwd; echo $OPENAI_BASE_URL; test -n "$OPENAI_API_KEY" && echo key']);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, '65534\n/home/user\nhttp://127.0.0.1:8080/v1\nkey\n');
});

test('the usual shell is there by its usual name', async () => {
  const { stdout, stderr, code } = await ssh([], ["sh -c 'echo $0'; python3 -c 'import os; os.system(\"echo by sh\")'; exec /bin/sh -c 'exit 7'"]);
  assert.equal(stdout, 'sh\nby sh\n', stderr);
  assert.equal(code, 7);
});

test('its key works at the endpoints, and nothing else is reached', async () => {
  const models = 'curl -s -H "authorization: Bearer $OPENAI_API_KEY" $OPENAI_BASE_URL/models';
  const { stdout } = await ssh([], [models]);
  assert.ok(JSON.parse(stdout).data.some((model) => model.id === site.model), stdout);
  const other = await ssh([], ['curl -s -m 3 http://192.0.2.1/ ; echo $?']);
  assert.notEqual(other.stdout.trim(), '0');
});

test('many bytes come through whole, both ways', async () => {
  const sum = 'head -c 20000000 /dev/zero | tr "\\0" "x" | tee big | sha256sum | cut -c1-16';
  const inside = (await ssh([], [sum])).stdout.trim();
  const { command: argv } = await json('env', 'open', 'sh');
  const quoted = argv.map((word) => `'${word}'`).join(' ');
  const pulled = await execute('bash', ['-c', `${quoted} cat big | sha256sum | cut -c1-16`]);
  assert.equal(pulled.stdout.trim(), inside);
  const pushed = await execute('bash', ['-c', `head -c 20000000 /dev/zero | tr '\\0' x | ${quoted} 'sha256sum | cut -c1-16'`]);
  assert.equal(pushed.stdout.trim(), inside);
});

test('a terminal is one', async () => {
  const { stdout } = await ssh(['-tt'], ['tty']);
  assert.match(stdout, /\/dev\/pts\/\d+/);
});

test('another key, a password or another host key come to nothing', async () => {
  const stranger = join(site.home, 'stranger');
  assert.equal((await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', stranger])).code, 0);
  const { command: argv } = await json('env', 'open', 'sh', '-i', stranger);
  const refused = await execute(argv[0], ['-o', 'BatchMode=yes', ...argv.slice(1), 'true']);
  assert.equal(refused.code, 255);
  assert.match(refused.stderr, /Permission denied \(publickey\)/);
  const { command } = await json('env', 'open', 'sh');
  const known = command.find((word) => word.startsWith('UserKnownHostsFile=')).slice('UserKnownHostsFile='.length);
  await writeFile(known, `sh ${(await execute('cut', ['-d', ' ', '-f', '1,2', `${stranger}.pub`])).stdout}`);
  const warned = await execute(command[0], [...command.slice(1), 'true']);
  assert.equal(warned.code, 255);
  assert.match(warned.stderr, /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/);
});

test('a key of another project opens nothing', async () => {
  await millrace('tenant', 'create', 'strangers');
  await millrace('project', 'create', 'elsewhere', '--tenant', 'strangers');
  const key = (await json('key', 'create', '--project', 'elsewhere')).key;
  const env = { ...process.env, MILLRACE_KEY: key, MILLRACE_URL: site.url };
  const proxied = await execute(process.env.MILLRACE_PROGRAM, ['env', 'proxy', 'sh'], { env });
  assert.equal(proxied.code, 3, proxied.stderr);
});

const home = ['--home', site.home];

test('a notebook is no shell, and whoever wants in by ssh is told so', async () => {
  await millrace('env', 'create', 'book', '--kind', 'jupyter', '--cpus', '0.5', '--memory', '512MiB', '--no-wait');
  const { code, stderr } = await execute(process.env.MILLRACE_PROGRAM, ['env', 'proxy', 'book', ...home]);
  assert.equal(code, 2);
  assert.equal(stderr, 'millrace: book is a notebook; open it with: millrace env open book\n');
  await millrace('env', 'delete', 'book', '--volume');
});

test('one that can never run is not waited for', async () => {
  await millrace('env', 'create', 'huge', '--kind', 'shell', '--cpus', '900', '--no-wait');
  for (const words of [['open', 'huge'], ['open', 'huge', '--print'], ['open', 'huge', '--json'], ['proxy', 'huge']]) {
    const { code, stdout, stderr } = await execute(process.env.MILLRACE_PROGRAM, ['env', ...words, ...home], { timeout: 10_000 });
    assert.equal(code, 5, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /millrace: environment huge can never run: .*900 cores/);
  }
  await millrace('env', 'delete', 'huge', '--volume');
});

test('the command is printed before it runs, and waits for it', async () => {
  await millrace('env', 'stop', 'sh');
  const line = await millrace('env', 'open', 'sh', '--print');
  assert.match(line, /^ssh .* user@sh\n$/);
  const { stdout, stderr } = await execute('bash', ['-c', `${line.trim()} echo in`]);
  assert.equal(stdout, 'in\n', stderr);
});

test('its files stay when it stops, and its host key too', async () => {
  await ssh([], ['echo kept > kept.txt']);
  const before = (await json('env', 'show', 'sh')).ssh_host_key;
  await millrace('env', 'stop', 'sh');
  const { stdout, stderr } = await ssh([], ['cat kept.txt']);
  assert.equal(stdout, 'kept\n', stderr);
  assert.equal((await json('env', 'show', 'sh')).ssh_host_key, before);
});

test('who is connected is told before it stops, and one that computes is not stopped', async () => {
  const idle = 24;
  await millrace('env', 'create', 'busy', '--kind', 'shell', '--cpus', '0.5', '--memory', '512MiB', '--idle', `${idle}s`);
  const open = async () => (await json('env', 'open', 'busy')).command;
  const loop = `import time; e = time.time() + ${idle + 6}\nwhile time.time() < e: pass\nprint("computed")`;
  let argv = await open();
  const { stdout, stderr } = await execute(argv[0], [...argv.slice(1), `python3 -c '${loop}'`]);
  assert.equal(stdout, 'computed\n', stderr);
  argv = await open();
  const waiting = await execute(argv[0], ['-tt', ...argv.slice(1), 'cat']);
  assert.match(waiting.stdout, /\[millrace\] nobody uses busy: it stops at \d{4}-/);
  await eventually(async () => (await json('env', 'show', 'busy')).state === 'stopped');
  assert.equal((await json('env', 'show', 'busy')).reason, 'nobody used it for 24 seconds');
  await millrace('env', 'delete', 'busy', '--volume');
});

test('nobody uses it: it is warned, then stopped, and its volume stays', async () => {
  await millrace('env', 'create', 'lazy', '--kind', 'shell', '--cpus', '0.5', '--memory', '512MiB', '--idle', '4s');
  await eventually(async () => (await json('env', 'show', 'lazy')).state === 'stopped');
  assert.equal((await json('env', 'show', 'lazy')).reason, 'nobody used it for 4 seconds');
  await millrace('env', 'delete', 'lazy', '--volume');
});
