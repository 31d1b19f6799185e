#!/bin/sh
# Adds a system of your own without code: a folder of CSV files becomes a source of the graph.
#
#   sh examples/own-source/onboard.sh FOLDER
#
# Copies isthmus.yaml and the sample file to FOLDER, drafts the configuration of the source from the file, and adds it to
# FOLDER/isthmus.yaml. Then prints how to start a hub with it. Replace the sample with your own files.
#
# ISTHMUS  command that runs the program; default: npx --no-install isthmus
set -eu
isthmus="${ISTHMUS:-npx --no-install isthmus}"
here="$(dirname "$0")"
if [ $# -ne 1 ]; then
  echo "Name a new folder: sh $0 FOLDER" >&2
  exit 1
fi
if [ -e "$1/isthmus.yaml" ]; then
  echo "$1/isthmus.yaml already exists. Name a new folder." >&2
  exit 1
fi
mkdir -p "$1"
cp -R "$here/isthmus.yaml" "$here/drops" "$1"

# The newest file that matches the pattern is read. Types, key and links are guessed from the rows: review the entry in
# isthmus.yaml. Without --yes the command asks for confirmation before it writes.
$isthmus onboard csv "$1/drops/leases-*.csv" --system leases --config "$1/isthmus.yaml" --yes

cat <<END

Start the hub:     ISTHMUS_DATA="$1/data" $isthmus start --config "$1/isthmus.yaml"
Then query it:     sh $here/query.sh
END
