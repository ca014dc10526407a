// Package filestore keeps sessions in files: one machine, any number of processes,
// nothing to install.
//
// A session is one file, replaced as a whole: a reader sees the old record or the
// new one, also when a process is killed or the power fails in between. Writers of
// one session take turns, also those of other processes, so no write is lost. What
// was acknowledged is on the disk, a logout included; see [Options.NoSync] for the
// other choice.
//
//	store, err := filestore.Open("data/sessions", nil)
//
// # What lies in the directory
//
//	5e/5e0c...b1                 a session, named by its record key in hexadecimal
//	locks/5e                     what writers of 5e/... lock; made once, never removed
//	subjects/2b/2bd8...90.5e0c...b1  says that this session may be one of the subject's
//	subjects/2b/2bd8...90.revoked    when the subject's sessions were last revoked
//
// A subject is found by its SHA-256: printf %s alice | sha256sum. No name comes from
// a user, so no input can leave the directory, and all are lower-case hexadecimal,
// so file systems that fold case are fine. Folders are made with mode 0700 and files
// with 0600, whatever the umask says.
//
// # The directory
//
// It must belong to the user that the process runs as, and nobody else may have the
// right to write to it: [Open] refuses it otherwise, because who can write there can
// sign in as anybody. It must be on a local file system. NFS, SMB and FUSE are not
// supported: their locks, renames or syncs do not hold what this package relies on
// (see [Options.InsecureNetworkFS]). Copy it with the files' times (cp -a, rsync -a),
// and not while a process writes if the copy has to be of one moment.
//
// # Cleaning up
//
// [Store.Purge] removes what is expired, and a manager calls it for you. A record's
// modification time is the time when its session was last used, so this command
// works too, while processes run, for instance from cron:
//
//	find data/sessions -type f -mtime +3 -delete
//
// Choose more days than your longest idle timeout has: find does not lock, so a
// session that is used in that very moment goes too. It is also what removes
// damaged files, which Purge leaves for you to look at. Lock files and the files
// below subjects have a time in the far future, so it does not see them; what then
// points to a session that is gone is removed by Purge.
//
// # Systems
//
// Tested on Linux. It compiles for macOS and the BSDs, which use the same calls, and
// for Windows, where it has not been run: there a folder cannot be synced, so the
// last writes before a power failure may be lost, and owner and mode are not checked.
package filestore
