#!/bin/sh
# Adds a system of your own without code: a folder of CSV files becomes a source of the graph.
#
#   sh examples/own-source/onboard.sh FOLDER
#
# Copies isthmus.yaml and the sample file into FOLDER, drafts the configuration of the source from the file, and writes it into
# FOLDER/isthmus.yaml. Then it prints how to start a hub on it. Replace the sample with files of your own.
#
# ISTHMUS  how the program is called; default: npx --no-install isthmus
set -eu
isthmus="${ISTHMUS:-npx --no-install isthmus}"
here="$(dirname "$0")"
if [ $# -ne 1 ]; then
  echo "Name a new folder: sh $0 FOLDER" >&2
  exit 1
fi
if [ -e "$1/isthmus.yaml" ]; then
  echo "$1/isthmus.yaml exists already. Name a new folder." >&2
  exit 1
fi
mkdir -p "$1"
cp -R "$here/isthmus.yaml" "$here/drops" "$1"

# Files that match the pattern are read, the newest first. The types, the key and the links are guessed from the rows;
# look at the entry in isthmus.yaml and change what was guessed wrong. Without --yes the command asks before it writes.
$isthmus onboard csv "$1/drops/leases-*.csv" --system leases --config "$1/isthmus.yaml" --yes

cat <<END

Start the hub:     ISTHMUS_DATA="$1/data" $isthmus start --config "$1/isthmus.yaml"
Then ask it:       sh $here/ask.sh
END
