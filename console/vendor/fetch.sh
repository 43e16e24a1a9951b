#!/bin/bash
# Makes the files of this folder again from the npm packages named in README.md. Needs npm; only for taking a new version.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --silent \
  preact@11.2.0 @preact/signals@2.11.4 @preact/signals-core@1.14.5 htm@3.1.1 uplot@1.6.32

# take PACKAGE-FILE NAME: bare imports become relative (an import map would have to be inline, which the page's
# content security policy forbids), and references to source maps, which are not here, go.
take() {
  sed -e 's#from"preact/hooks"#from"./hooks.js"#g' -e 's#from"preact"#from"./preact.js"#g' \
    -e 's#from"@preact/signals-core"#from"./signals-core.js"#g' -e 's,//# sourceMappingURL=.*,,' \
    "$work/node_modules/$1" >"$2"
}
take preact/dist/preact.mjs preact.js
take preact/hooks/dist/hooks.mjs hooks.js
take @preact/signals-core/dist/signals-core.mjs signals-core.js
take @preact/signals/dist/signals.mjs signals.js
take htm/dist/htm.mjs htm.js
take uplot/dist/uPlot.esm.js uplot.js
take uplot/dist/uPlot.min.css uplot.css
mkdir -p licences
for package in preact @preact/signals @preact/signals-core htm uplot; do
  cp "$work/node_modules/$package/LICENSE" "licences/$(basename "$package").txt"
done
sha256sum ./*.js ./*.css
