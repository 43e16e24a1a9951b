// JournalDrain: the server's side of the journals: moves settled requests into the usage table, each exactly once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "store/usage_table.h"

namespace millrace::ledger {

/// Used by one thread, and by one server at a time (the one that leads).
class JournalDrain {
 public:
  /// `folder` holds the journals of every gateway of this machine; it need not exist yet. The table and the clock must
  /// outlive the drain.
  JournalDrain(std::string folder, store::UsageTable& table, const Clock& clock);
  ~JournalDrain();

  struct JournalState {
    std::string id;
    std::uint64_t through = 0;  // every settlement up to this number is in the table now
    bool closed = false;        // its gateway is gone, all of it is in the table, and the file is removed
  };
  struct Report {
    std::vector<JournalState> journals;
    std::vector<store::UsageRecord> records;  // appended now, in no particular order
    // Some of `records` were in the table before (a drain was killed between append and free): whoever keeps sums
    // beside the table must read them from it again.
    bool some_were_known = false;
    std::vector<std::string> damage;  // one sentence each about bytes that are no record, told once
  };

  /// Takes all that is settled, and all of a gateway that died: what was open there becomes `failed` with its figures
  /// so far, from its mirror where that knows more (after the machine was started anew the journal may be the older one).
  /// A record is in the table, durable, before its slot is given back, so a kill at any point loses nothing and doubles
  /// nothing. A file that is no journal is set aside as *.damaged and reported; one of a newer version
  /// stays. On an error of the table nothing was given back: call again.
  /// The report's records take the place of those in `room`, so that memory of the last time is used again.
  Result<Report> drain(std::vector<store::UsageRecord> room = {});

 private:
  class Records;
  struct OpenJournal;
  Result<void> find_new(Report& report);
  struct Taken;
  static std::vector<Taken> slots_to_take(OpenJournal& journal);
  static Result<void> find_mirror(OpenJournal& journal, Report& report);
  Result<void> drain_one(OpenJournal& journal, Records& records, Report& report);
  void set_aside(const std::string& path, const std::string& why, Report& report);
  void remove_abandoned(const std::string& path) const;

  const std::string folder_;
  store::UsageTable& table_;
  const Clock& clock_;
  std::map<std::string, std::unique_ptr<OpenJournal>> open_;  // by file name
  std::set<std::string> refused_;                             // file names reported already
};

}  // namespace millrace::ledger
