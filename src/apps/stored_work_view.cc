#include "apps/stored_work_view.h"

namespace millrace::apps {

std::vector<control::ObservedWork> StoredWorkView::live() const {
  std::vector<control::ObservedWork> all;
  const auto records = store_.list(control::kLivePrefix);
  if (!records) return all;
  for (const store::Record& record : *records) {
    if (auto work = control::parse_observed(record.value)) all.push_back(std::move(*work));
  }
  return all;
}

Result<control::ObservedWork> StoredWorkView::find(control::WorkloadId id) const {
  for (const auto prefix : {control::kLivePrefix, control::kEndedPrefix}) {
    const auto record = store_.get(control::work_key(prefix, id));
    if (record) return control::parse_observed(record->value);
    if (record.error().code != ErrorCode::kNotFound) return std::unexpected(record.error());
  }
  return failure(ErrorCode::kNotFound, "no control loop has seen it");
}

Result<control::ReplicaLog> StoredWorkView::work_log(control::WorkloadId, std::int32_t, std::int64_t,
                                                     std::size_t) {
  return failure(ErrorCode::kNotFound, "no control loop for work runs here");
}

}  // namespace millrace::apps
