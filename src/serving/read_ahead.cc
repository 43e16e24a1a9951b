#include "serving/read_ahead.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "host/fd.h"

namespace millrace::serving {
namespace {

/// In pieces, so that the end of this process does not wait for a whole file.
constexpr off_t kPiece = 64 << 20;

}  // namespace

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ReadAhead::begin(const std::string& path) {
  {
    const std::lock_guard lock(mutex_);
    if (std::ranges::find(paths_, path) == paths_.end()) paths_.push_back(path);
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

void ReadAhead::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ending_ || !paths_.empty(); });
    if (ending_) return;
    const std::string path = paths_.front();
    lock.unlock();
    const host::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info{};
    const off_t size = file && ::fstat(file.get(), &info) == 0 ? info.st_size : 0;
    bool ending = false;
    for (off_t at = 0; at < size && !ending; at += kPiece) {
      (void)::posix_fadvise(file.get(), at, kPiece, POSIX_FADV_WILLNEED);
      const std::lock_guard held(mutex_);
      ending = ending_;
    }
    lock.lock();
    paths_.erase(paths_.begin());
  }
}

}  // namespace millrace::serving
