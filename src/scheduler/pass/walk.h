// Walk: the order in which one walk over pending work looks at it, while starts move the shares.
#pragma once

#include <map>
#include <queue>
#include <tuple>
#include <vector>

#include "scheduler/books/account_tree.h"
#include "scheduler/books/queue.h"

namespace millrace::scheduler {

/// Order: rank; then the accounts on the way from the root, each level in turn: one that has something left of its nominal
/// quota before one that would borrow, and may be stopped for that, then the smaller share; then nice, submit time, id (of starved
/// work, kStarvedRank, without nice). What an account holds only grows during a walk, so that an entry whose account has
/// moved back is found when it comes first.
class Walk {
 public:
  struct Entry {
    Turn turn;
    Group* follow = nullptr;  // the members after it are to be looked at as well
  };

  Walk(const AccountTree& accounts, TimePoint now) : accounts_(&accounts), now_(now) {}

  void add(Job& job, Group* follow) { add({turn_of(job), follow}); }
  /// The first member of a group that has no promise, and those after it.
  void add_group(Group& group);
  /// The member after `turn` that has no promise; nothing if there is none.
  void add_after(Group& group, const Turn& turn);
  std::optional<Entry> next();
  /// What an account holds became less during the walk: whose turn it is is looked at anew. (Where it grows, that is seen.)
  void holdings_fell();

 private:
  struct LaterTurn {
    bool operator()(const Entry& a, const Entry& b) const { return b.turn < a.turn; }
  };
  using Entries = std::priority_queue<Entry, std::vector<Entry>, LaterTurn>;
  /// What is alike but for its turn.
  struct Lane {
    std::int32_t rank = 0;
    AccountIndex account = kNoAccount;
    Levels borrows = 0;  // as it was when the entries were added: more since, perhaps
    std::uint64_t version = 0;
    Entries entries;
  };
  struct Head {
    std::int32_t rank;
    Levels borrows;
    Shares shares;
    Turn turn;
    std::size_t lane;
    std::uint64_t version;
    bool operator<(const Head& other) const;  // later in the order
  };
  void add(const Entry& entry);
  Levels borrows(const Job& job) const;
  void offer(std::size_t lane);

  const AccountTree* accounts_;
  TimePoint now_;
  std::map<std::tuple<std::int32_t, AccountIndex, Levels>, std::size_t> lane_of_;
  std::vector<Lane> lanes_;
  std::priority_queue<Head> heads_;
};

}  // namespace millrace::scheduler
