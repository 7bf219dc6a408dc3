// Copyright (c) 2026 the knowngood.kube authors
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Run with hdf-converters installed: reads "<mapper> <path>" lines, writes one JSON line of answer for each. A control
// has an impact and results; a result that is skipped counts as hidden.
const fs = require('fs');
const readline = require('readline');
const converters = require('@mitre/hdf-converters');
const say = process.stdout.write.bind(process.stdout);
console.log = console.warn = console.error = () => {};

function answer(mapper, path) {
  try {
    const told = new converters[mapper](fs.readFileSync(path, 'utf8')).toHdf();
    const reports = Array.isArray(told) ? told : [told];
    const controls = reports.flatMap((report) => report.profiles.flatMap((profile) => profile.controls));
    return {rows: controls.flatMap((control) => control.results.filter((result) => result.status === 'failed')
      .map(() => ({rule: control.id, impact: control.impact})))};
  } catch (error) {
    return {refused: `${error.name}: ${error.message}`.slice(0, 200)};
  }
}

readline.createInterface({input: process.stdin}).on('line', (line) => {
  const space = line.indexOf(' ');
  say(JSON.stringify(answer(line.slice(0, space), line.slice(space + 1))) + '\n');
});
