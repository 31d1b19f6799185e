// `npm run release -- X.Y.Z [--dry-run]`: writes the version and the changelog, commits and tags. It pushes and publishes nothing.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const BRANCH = 'main';
const USAGE = 'Usage: npm run release -- X.Y.Z [--dry-run]';
/** semver.org 2.0.0, without build metadata: npm ignores it when it compares versions. */
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*))*))?$/;

/** A precondition is not met; the message says what is wrong and what to do. */
class ReleaseError extends Error {}

/** Runs git and returns its output. `input`: standard input. Throws `ReleaseError` if it fails. */
function git(args, input) {
  const { status, stdout, stderr, error } = spawnSync('git', args, { cwd: root, encoding: 'utf8', input });
  if (error) throw new ReleaseError(`git cannot be run: ${error.message}. Install git.`);
  if (status !== 0) throw new ReleaseError(`git ${args[0]} failed: ${(stderr || stdout).trim()}`);
  return stdout.trim();
}

/** Compares two versions (semver.org, section 11): negative, zero or positive. */
function compare(one, other) {
  const [a, b] = [one, other].map((version) => SEMVER.exec(version));
  for (const i of [1, 2, 3]) if (a[i] !== b[i]) return Number(a[i]) - Number(b[i]);
  // A version is greater than its pre-releases.
  if (!a[4] || !b[4]) return Number(!a[4]) - Number(!b[4]);
  const [left, right] = [a[4].split('.'), b[4].split('.')];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [x, y] = [left[i], right[i]];
    if (x === y) continue;
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1;
    const [isNumber, isOtherNumber] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (isNumber && isOtherNumber) return Number(x) - Number(y);
    // Numbers are less than words.
    if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}

function readArguments(args) {
  const versions = args.filter((arg) => !arg.startsWith('-'));
  const unknown = args.find((arg) => arg.startsWith('-') && arg !== '--dry-run');
  if (unknown) throw new ReleaseError(`Unknown option ${unknown}. ${USAGE}`);
  if (versions.length !== 1) throw new ReleaseError(`Expected one version, got ${versions.length}. ${USAGE}`);
  const [version] = versions;
  if (!SEMVER.test(version))
    throw new ReleaseError(
      `${version} is not a semantic version: expected X.Y.Z or X.Y.Z-NAME.N, without a leading v. ${USAGE}`,
    );
  return { version, isDryRun: args.includes('--dry-run') };
}

/** Throws unless git is on the branch, with nothing uncommitted, and the tag is free. */
function checkRepository(tag) {
  if (git(['rev-parse', '--show-cdup']) !== '')
    throw new ReleaseError(`${root} is not the top folder of a git repository. Run it in a clone of the repository.`);
  const branch = git(['branch', '--show-current']);
  if (branch !== BRANCH)
    throw new ReleaseError(
      `Releases are made on ${BRANCH}; this is ${branch || 'no branch (a detached HEAD)'}. Run: git switch ${BRANCH}`,
    );
  const changes = git(['status', '--porcelain']);
  if (changes !== '')
    throw new ReleaseError(`The work tree has changes. Commit, stash or remove them first:\n${changes}`);
  if (git(['tag', '--list', tag]) !== '')
    throw new ReleaseError(`The tag ${tag} exists already. Choose another version, or delete it: git tag -d ${tag}`);
}

/** Text of package.json or package-lock.json with the new version; all other bytes are unchanged. */
function withVersion(file, text, current, version) {
  const before = JSON.parse(text);
  // The lock file contains the version twice: at the top and in the entry of the package itself.
  const places = before.packages ? [before, before.packages['']] : [before];
  for (const place of places) {
    if (place?.version !== current)
      throw new ReleaseError(
        `${file} has the version ${place?.version}, package.json has ${current}. Run npm install, and commit.`,
      );
    place.version = version;
  }
  let count = 0;
  const after = text.replaceAll(`"version": ${JSON.stringify(current)}`, (match) =>
    count++ < places.length ? `"version": ${JSON.stringify(version)}` : match,
  );
  if (JSON.stringify(JSON.parse(after)) !== JSON.stringify(before))
    throw new ReleaseError(`The version in ${file} is not where npm writes it. Run npm install, and commit.`);
  return after;
}

/** The changelog with the section Unreleased moved under the version, and the notes of that section. */
function withSection(text, version, date) {
  const heading = /^## Unreleased[ \t]*$/m.exec(text);
  if (!heading)
    throw new ReleaseError(
      'CHANGELOG.md has no section "## Unreleased". Add it above the newest version, with its changes.',
    );
  const released = [...text.matchAll(/^## (\S+)/gm)].some(([, name]) => name === version);
  if (released) throw new ReleaseError(`CHANGELOG.md has a section ${version} already. Choose another version.`);
  const start = heading.index + heading[0].length;
  const next = text.slice(start).search(/^## /m);
  const end = next < 0 ? text.length : start + next;
  const notes = text.slice(start, end).trim();
  if (notes.replace(/^#+ .*$/gm, '').trim() === '')
    throw new ReleaseError(
      'The section "## Unreleased" of CHANGELOG.md is empty. Add a line for each change that users see.',
    );
  const rest = text.slice(end);
  const title = `${version} (${date})`;
  return {
    notes,
    title,
    text: `${text.slice(0, heading.index)}## Unreleased\n\n## ${title}\n\n${notes}\n${rest ? `\n${rest}` : ''}`,
  };
}

function release(args) {
  const { version, isDryRun } = readArguments(args);
  const tag = `v${version}`;
  checkRepository(tag);
  const read = (file) => readFileSync(join(root, file), 'utf8');
  const manifest = JSON.parse(read('package.json'));
  const current = manifest.version;
  if (!SEMVER.test(current))
    throw new ReleaseError(`package.json has no semantic version: ${current}. Correct it first.`);
  if (compare(version, current) <= 0)
    throw new ReleaseError(`${version} is not greater than the current version ${current}. Choose a greater version.`);
  const changelog = withSection(read('CHANGELOG.md'), version, new Date().toISOString().slice(0, 10));
  const files = {
    'CHANGELOG.md': changelog.text,
    'package.json': withVersion('package.json', read('package.json'), current, version),
    'package-lock.json': withVersion('package-lock.json', read('package-lock.json'), current, version),
  };
  const names = Object.keys(files);
  console.log(`${isDryRun ? 'Dry run: would release' : 'Releasing'} ${version} (now ${current}).
  files   ${names.join(', ')}
  commit  release: ${version}
  tag     ${tag}, annotated with:

${changelog.notes}
`);
  if (isDryRun) return console.log('Nothing was changed.');

  const head = git(['rev-parse', 'HEAD']);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
  try {
    git(['commit', '--quiet', '--message', `release: ${version}`, '--', ...names]);
    // Without this, git would drop lines of the notes that begin with #.
    git(['tag', '--annotate', '--cleanup=whitespace', '--file=-', tag], `${changelog.title}\n\n${changelog.notes}\n`);
  } catch (error) {
    // The tree was clean, so the reset only undoes this release.
    git(['reset', '--quiet', '--hard', head]);
    error.message += '\nThe release was undone; nothing has changed.';
    throw error;
  }
  console.log(`Committed and tagged. Nothing was pushed. Next:

  git push --follow-tags
  ${manifest.private ? '(no npm publish: package.json says "private": true)' : 'npm publish'}

To undo it before the push: git tag -d ${tag} && git reset --hard ${head.slice(0, 12)}`);
}

try {
  release(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ReleaseError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
