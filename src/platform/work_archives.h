// WorkArchives: the working folders that people send with their jobs, each a tar known by its SHA-256.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::platform {

struct ArchiveState {
  std::string sha256;
  std::int64_t size_bytes = 0;      // of the whole; 0 while it is not known
  std::int64_t received_bytes = 0;  // go on from here
  bool complete = false;
};

struct WorkArchivesOptions {
  std::string folder;                          // HOME/archives
  std::int64_t max_bytes = 256LL << 20;        // of one
  std::int64_t max_project_bytes = 4LL << 30;  // of all that a project has here
  std::chrono::seconds keep{24 * 3600};        // after the last use, unless live work needs it
};

/// They are owned by projects: what another project has sent is not there. Safe from any thread; one object for a folder.
class WorkArchives {
 public:
  static constexpr std::size_t kMaxPieceBytes = 8u << 20;

  /// `clock` is borrowed.
  WorkArchives(WorkArchivesOptions options, const Clock& clock);

  /// Appends a piece that begins at `offset`, and checks and publishes the archive once all of its `size` bytes are there.
  /// A piece that does not begin where the last one ended changes nothing: the answer says where to go on. Pieces of one
  /// that is complete already are not looked at. kInvalidArgument for a size beyond the bound or a digest that is not one,
  /// the same if the whole has another digest (then nothing of it is kept); kExhausted where the project has too much here.
  Result<ArchiveState> put(std::string_view project, std::string_view sha256, std::int64_t offset,
                           std::int64_t size, std::string_view piece);
  /// kNotFound if no byte of it is here. One that is complete counts as used now.
  Result<ArchiveState> state(std::string_view project, std::string_view sha256);
  /// The file, readable by all; it is not changed any more. kNotFound if it is not complete.
  Result<std::string> file_of(std::string_view project, std::string_view sha256);

  /// Removes what was not used for `keep` and is not in `needed` ("project/sha256"), and pieces that nobody goes on with.
  /// Answers how many files.
  Result<std::size_t> sweep(const std::set<std::string>& needed);

 private:
  struct Paths {
    std::string folder, whole, part;
  };
  Result<Paths> paths_of(std::string_view project, std::string_view sha256) const;
  Result<ArchiveState> look(const Paths& paths, std::string_view sha256) const;
  Result<void> append(const Paths& paths, std::int64_t offset, std::string_view piece) const;
  Result<void> publish(const Paths& paths, std::string_view sha256) const;
  Result<void> check_room(const Paths& paths, std::int64_t size) const;

  const WorkArchivesOptions options_;
  const Clock& clock_;
  std::mutex mutex_;  // one piece at a time
};

}  // namespace millrace::platform
