// Files: whole reads and writes, folders, locks, digests. Every error names the path.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "host/fd.h"

namespace millrace::host {

/// The whole file. kExhausted if it is larger than `max_bytes`.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes = 64u << 20);

/// After success the file holds exactly `bytes` with `mode`, also after power loss; on failure the old file stands.
Result<void> write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode = 0644);

/// As write_file_atomic, but fast: power loss may leave an empty file.
Result<void> write_file_unsynced(const std::string& path, std::string_view bytes, mode_t mode = 0644);

/// Writes everything to a descriptor, retrying short writes.
Result<void> write_all(int fd, std::string_view bytes);

/// Creates `path` and its missing parents with `mode` (whatever the umask). An existing folder is left as it is.
Result<void> make_dirs(const std::string& path, mode_t mode = 0755);

/// Removes a file, or a folder with all that is in it; symlinks are not followed. An absent path is no error.
Result<void> remove_tree(const std::string& path);

/// Names in a folder without "." and "..", sorted.
Result<std::vector<std::string>> list_dir(const std::string& path);

bool exists(const std::string& path);

/// Opens (creating with 0600) and takes an exclusive flock, held until the Fd closes. kConflict if another holds it.
Result<Fd> lock_file(const std::string& path);
/// Whether a process holds lock_file's lock on `path` now. Never makes lock_file fail.
bool is_locked(const std::string& path);

/// fsync of a folder, so that a rename or an unlink in it survives power loss.
Result<void> sync_dir(const std::string& path);

struct FileDigest {
  std::string sha256;  // 64 lower-case hex digits
  std::int64_t size_bytes = 0;
};

/// Reads the file in pieces of 1 MiB.
Result<FileDigest> sha256_file(const std::string& path);

}  // namespace millrace::host
