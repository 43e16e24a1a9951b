// FolderArchive: a folder as a tar, for the working folder of a job.
#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"
#include "host/fd.h"

namespace millrace::cli {

inline constexpr std::int64_t kArchiveMax = 256LL << 20;  // bytes, as the server takes them
inline constexpr const char* kIgnoreFile = ".millraceignore";

struct FolderArchive {
  host::Fd file;  // without a name, in the folder for temporary files
  std::string sha256;
  std::int64_t size_bytes = 0;
  std::int64_t files = 0;
};

/// Files, folders and symbolic links below `folder`, but for what its .millraceignore leaves out, and .git. Ordered by
/// name, owned by nobody, so that the same folder makes the same bytes. kInvalidArgument for more than kArchiveMax, telling
/// its size and what is largest.
Result<FolderArchive> archive_folder(const std::string& folder);

/// `max` bytes of the archive from `from` on.
Result<std::string> read_archive(const FolderArchive& archive, std::int64_t from, std::size_t max);

}  // namespace millrace::cli
