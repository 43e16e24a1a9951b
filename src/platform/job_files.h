// Files that a job left in its output folder, read without trusting whoever wrote there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::platform {

struct OutputFile {
  std::string path;  // below the folder, "checkpoints/last.pt"; UTF-8
  std::int64_t size_bytes = 0;
  bool executable = false;
  TimePoint modified_at{};
  std::string link = {};  // a symbolic link, and where it leads: host::is_inner_link; empty: a regular file
};

struct OutputList {
  std::vector<OutputFile> files;  // ordered by path
  bool more = false;              // there are further ones after the last
};

inline constexpr std::size_t kOutputFilesMax = 100'000;  // looked at below one folder
inline constexpr int kOutputDepthMax = 64;
inline constexpr std::size_t kOutputPathMax = 600;  // bytes, so that a path fits into the target of a request
inline constexpr std::size_t kOutputPieceMax = 4u << 20;

/// Regular files and inner links below `folder` whose path comes after `after`, at most `limit`. Other links, sockets, devices,
/// names that are not UTF-8 and paths beyond kOutputPathMax are left out. A folder that is not there has none. kExhausted beyond kOutputFilesMax.
Result<OutputList> list_output(const std::string& folder, std::string_view after, std::size_t limit);

/// At most `max` bytes of one file from `from` on; empty at its end. Never follows a link, so that no path leads out of
/// `folder`: kNotFound for whatever is not a regular file below it.
Result<std::string> read_output(const std::string& folder, std::string_view path, std::int64_t from,
                                std::size_t max);

}  // namespace millrace::platform
