// Walk: the order in which one walk over pending work looks at it, while starts move the shares.
#pragma once

#include <map>
#include <queue>
#include <utility>
#include <vector>

#include "scheduler/account_tree.h"
#include "scheduler/queue.h"

namespace millrace::scheduler {

/// Order: rank, then the shares on the way to the account (each level in turn), then nice, submit time, id. Starved work
/// (kStarvedRank) goes by submit time and id alone. Shares only grow during a walk, so that an entry whose share is out of
/// date is found when it comes first.
class Walk {
 public:
  struct Entry {
    Turn turn;
    Group* follow = nullptr;  // the members after it are to be looked at as well
  };

  Walk(const AccountTree& accounts, TimePoint now) : accounts_(&accounts), now_(now) {}

  void add(Job& job, Group* follow);
  /// The first member of a group that has no promise, and those after it.
  void add_group(Group& group);
  /// The member after `turn` that has no promise; nothing if there is none.
  void add_after(Group& group, const Turn& turn);
  std::optional<Entry> next();
  /// What an account holds became less during the walk: whose turn it is is looked at anew. (Where it grows, that is seen.)
  void share_fell();

 private:
  struct LaterTurn {
    bool operator()(const Entry& a, const Entry& b) const { return b.turn < a.turn; }
  };
  struct Lane {
    std::int32_t rank = 0;
    AccountIndex account = kNoAccount;
    std::uint64_t version = 0;
    std::priority_queue<Entry, std::vector<Entry>, LaterTurn> entries;
  };
  struct Head {
    std::int32_t rank;
    Shares shares;
    Turn turn;
    std::size_t lane;
    std::uint64_t version;
    bool operator<(const Head& other) const;  // later in the order
  };
  Shares shares_of(const Lane& lane) const;
  void offer(std::size_t lane);

  const AccountTree* accounts_;
  TimePoint now_;
  std::map<std::pair<std::int32_t, AccountIndex>, std::size_t> lane_of_;
  std::vector<Lane> lanes_;
  std::priority_queue<Head> heads_;
};

}  // namespace millrace::scheduler
