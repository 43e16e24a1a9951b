// ServicePolicy: the records that gateways are told, put together from the services.
#pragma once

#include "api/feed/policy_feed.h"
#include "api/feed/used_figures.h"
#include "control/replica_status.h"
#include "identity/directory.h"
#include "ledger/prices.h"
#include "platform/endpoints.h"
#include "platform/environments.h"

namespace millrace::api {

/// Borrows everything.
class ServicePolicy final : public PolicySource {
 public:
  ServicePolicy(const identity::Directory& directory, const platform::Endpoints& endpoints,
                const control::ReplicaView& replicas, const ledger::PriceBook& prices, UsedFigures& used,
                identity::SitePolicy site, const platform::Environments& environments)
      : directory_(directory),
        endpoints_(endpoints),
        replicas_(replicas),
        prices_(prices),
        used_(used),
        site_(std::move(site)),
        environments_(environments) {}

  /// Replicas: only those that are ready.
  Result<PolicyRecords> assemble() override;

 private:
  const identity::Directory& directory_;
  const platform::Endpoints& endpoints_;
  const control::ReplicaView& replicas_;
  const ledger::PriceBook& prices_;
  UsedFigures& used_;
  const identity::SitePolicy site_;
  const platform::Environments& environments_;
};

}  // namespace millrace::api
