// DiskUse: how much a workload has written, counted in pieces so that its supervisor never stands still.
#pragma once

#include <dirent.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace millrace::executor {

/// Counts the disk blocks of everything below some folders. The tree belongs to a stranger who may change it meanwhile: no
/// symbolic link is followed and no other file system entered. One thread.
class DiskUse {
 public:
  static constexpr std::size_t kMaxDepth =
      128;  // of folders; below that it is not looked, and too_deep() says so

  explicit DiskUse(std::vector<std::string> roots) : roots_(std::move(roots)) {}

  /// Looks at up to `entries` more files. True when all were seen: bytes() is the new total then, and the next call begins
  /// again.
  bool step(std::size_t entries);
  std::int64_t bytes() const { return bytes_; }
  bool too_deep() const { return too_deep_; }

 private:
  struct Close {
    void operator()(DIR* folder) const { ::closedir(folder); }
  };
  using Folder = std::unique_ptr<DIR, Close>;
  void enter(int parent, const char* name);
  void count(DIR* folder, const char* name);

  const std::vector<std::string> roots_;
  std::size_t next_root_ = 0;
  std::vector<Folder> open_;
  std::int64_t counting_ = 0, bytes_ = 0;
  std::uint64_t device_ = 0;
  bool deep_ = false, too_deep_ = false;
};

}  // namespace millrace::executor
