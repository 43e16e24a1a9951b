// Output file: what a program writes where a person told it to.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "host/fd.h"

namespace millrace::host {

/// A regular file, or one that is not there yet, is replaced as a whole when all is written: until then the old one stands,
/// and its mode is kept. A symlink is followed and stays. What is no regular file (a device, a pipe, a terminal) is written
/// in place, and never removed or replaced. Not for state: write_file_atomic is.
class OutputFile {
 public:
  /// Every error names the path.
  static Result<OutputFile> create(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  /// What was not committed is gone, where it was not written in place.
  ~OutputFile();

  Result<void> write(std::string_view bytes);
  /// Call once, last. After success the file holds all that was written, also after power loss.
  Result<void> commit();

 private:
  OutputFile(Fd fd, std::string path, std::string temporary)
      : fd_(std::move(fd)), path_(std::move(path)), temporary_(std::move(temporary)) {}

  Fd fd_;
  std::string path_;       // with symlinks followed
  std::string temporary_;  // beside it; empty: it is written in place
};

/// All of it in one.
Result<void> write_output(const std::string& path, std::string_view bytes);

}  // namespace millrace::host
