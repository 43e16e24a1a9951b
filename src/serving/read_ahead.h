// ReadAhead: has the kernel read model files before engines ask for them.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace millrace::serving {

/// A thread of its own, since asking for a file on a slow disk may block. Errors are nothing: the engine reads it anyway.
class ReadAhead {
 public:
  ReadAhead() = default;
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// Returns at once.
  void begin(const std::string& path);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> paths_;  // guarded by mutex_
  bool ending_ = false;             // guarded by mutex_
  std::thread thread_;              // started with the first path
};

}  // namespace millrace::serving
