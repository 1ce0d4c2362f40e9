#!/bin/sh
# A base for the image, made of this machine's Debian packages: `make image-base`. For who has no base at hand, and no
# registry to ask. Needs mmdebstrap, and root or user namespaces. Nothing here names a mirror: packages come from where
# apt gets them, checked by the keys that apt trusts.
#
# base.sh NAME:TAG TOOL FOLDER: TOOL is buildah, podman or docker, FOLDER is for the root file system and is overwritten.
set -eu
name=$1 tool=$2 folder=$3

if ! command -v mmdebstrap > /dev/null; then
  echo "make image-base needs mmdebstrap: apt-get install mmdebstrap" >&2
  exit 69
fi
sources=${IMAGE_SOURCES:-}
for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
  if [ -z "$sources" ] && [ -s "$file" ]; then sources=$file; fi
done
if [ -z "$sources" ]; then
  echo "make image-base found no sources of Debian's packages: name a file of apt's in IMAGE_SOURCES" >&2
  exit 66
fi

rm -rf "$folder"
mkdir -p "$folder"
# The suite is the one that the sources name: the check refuses any whose Python is another.
mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --customize-hook='chroot "$1" python3 -c "import sys, ensurepip, venv; sys.exit(sys.version_info[:2] != (3, 11))" || { echo "the image needs Debian 12, which has Python 3.11" >&2; exit 1; }' \
  bookworm "$folder/root.tar" "$sources"
printf 'FROM scratch\nADD root.tar /\nCMD ["python3"]\n' > "$folder/Containerfile"
"$tool" build --file "$folder/Containerfile" --tag "$name" "$folder"
rm -rf "$folder"
