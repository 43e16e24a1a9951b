// StoredWorkView: what the records alone say of work, where no control loop for work runs: no nodes, no logs.
#pragma once

#include "control/work_view.h"
#include "store/store.h"

namespace millrace::apps {

class StoredWorkView final : public control::WorkView {
 public:
  /// Borrowed.
  explicit StoredWorkView(const store::Store& store) : store_(store) {}

  std::vector<control::ObservedWork> live() const override;
  Result<control::ObservedWork> find(control::WorkloadId id) const override;
  Result<control::ReplicaLog> work_log(control::WorkloadId id, std::int32_t task, std::int64_t from,
                                       std::size_t max) override;
  std::vector<control::NodeStatus> nodes() const override { return {}; }
  std::vector<control::SitePower> power() const override { return {}; }

 private:
  const store::Store& store_;
};

}  // namespace millrace::apps
