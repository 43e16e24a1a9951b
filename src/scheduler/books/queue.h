// Queue: pending work in groups whose members are alike to a pass: one account, rank, shape and limit.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "scheduler/books/job.h"

namespace millrace::scheduler {

struct GroupKey {
  AccountIndex account = 0;
  std::int32_t rank = 0;
  std::uint32_t shape = 0;
  std::int64_t limit_s = 0;
  auto operator<=>(const GroupKey&) const = default;
};

struct Group {
  GroupKey key;
  Shape* shape = nullptr;
  std::set<Turn> members;
  Told told;  // of members without a reason of their own
  std::shared_ptr<const Reason> reason;
  bool mixed = false;            // some member was told another code
  std::optional<Reason> asked;   // what kept its members without a promise when someone asked last
  std::uint64_t asked_pass = 0;  // after so many passes
  std::size_t index_in_shape = 0;
  std::uint64_t seen_walk = 0;
  std::uint64_t asked_walk = 0;  // a member asked for the way to be cleared
};

class Queue {
 public:
  void add(Job& job);
  void remove(Job& job);
  /// Groups that became empty stay until then, so that a walk may hold on to them. `forget` is called for each first.
  template <typename F>
  void sweep(F forget) {
    for (const GroupKey& key : maybe_empty_) {
      const auto it = groups_.find(key);
      if (it == groups_.end() || !it->second.members.empty()) continue;
      forget(it->second);
      groups_.erase(it);
    }
    maybe_empty_.clear();
  }
  std::map<GroupKey, Group>& groups() { return groups_; }
  /// `visit` with each group of the account that has pending work, the lowest rank first.
  template <typename Visit>
  void each_group_of(AccountIndex account, Visit visit) {
    auto it = groups_.lower_bound(GroupKey{.account = account, .rank = INT32_MIN});
    for (; it != groups_.end() && it->first.account == account; ++it) {
      if (!it->second.members.empty()) visit(it->second);
    }
  }
  /// Those with pending work, by number.
  const std::map<std::uint32_t, Shape*>& shapes() const { return shapes_; }
  std::size_t size() const { return size_; }

 private:
  std::map<GroupKey, Group> groups_;
  std::map<std::uint32_t, Shape*> shapes_;
  std::vector<GroupKey> maybe_empty_;
  std::size_t size_ = 0;
};

}  // namespace millrace::scheduler
