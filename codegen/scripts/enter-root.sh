# Runs a command with another folder as the root of the file system (codegen/src/tools/swift.rs does this).
# Usage: unshare --mount sh -eu enter-root.sh ROOT DIRECTORY [SEEN...] -- COMMAND...
# The command starts in DIRECTORY and sees each folder SEEN under its own path. What is mounted here is mounted for this
# process and its children only, as `unshare --mount` has given them a namespace: it goes with them.
root=$1 directory=$2
shift 2
mkdir -p "$root/proc" "$root/dev"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
  mkdir -p "$root$1"
  mount --bind "$1" "$root$1"
  shift
done
shift
exec unshare --root="$root" --wd="$directory" -- "$@"
