# container.sh ROOT DATA PROGRAM [ARGS...]: becomes PROGRAM as a container engine would start it, in a mount namespace of its own
# (`unshare --mount sh container.sh ...`), with the environment that it is given. ROOT is read-only for it, DATA (made where it is
# not there) is its /data, /usr is this machine's.
set -eu
root=$1 data=$2
shift 2
install -d -o 65532 -g 65532 -m 700 "$data"
mount --bind "$root" "$root"
mount --bind /usr "$root/usr"
mount -o remount,bind,ro "$root/usr"
mount -t proc proc "$root/proc"
for device in null zero random urandom; do mount --bind "/dev/$device" "$root/dev/$device"; done
mount --bind "$data" "$root/data"
mount -o remount,bind,ro "$root"
cd "$root"
exec chroot "$root" setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
