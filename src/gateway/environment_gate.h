// EnvironmentGate: who comes in under an environment's host name, and what the server is told of its use.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/context.h"
#include "gateway/environment_host.h"
#include "gateway/environment_page.h"
#include "identity/environment_pass.h"
#include "net/http_server.h"

namespace millrace::gateway {

class EnvironmentJob;

/// Tokens that were used, so that none serves twice. Bounded: when it is full of such as have not expired, none is taken.
class UsedTokens {
 public:
  static constexpr std::size_t kMax = 10'000;
  /// Tokens issued before `since_s` (Unix time) are refused: what was used before a restart is not known.
  explicit UsedTokens(std::int64_t since_s) : since_s_(since_s) {}
  /// True the first time for a pass that has not expired.
  bool use(const identity::Pass& pass, TimePoint now);
  std::size_t size() const { return expires_s_.size(); }

 private:
  const std::int64_t since_s_;
  std::map<std::string, std::int64_t, std::less<>> expires_s_;  // by nonce
};

/// One for a gateway. Loop thread.
class EnvironmentGate {
 public:
  static constexpr std::size_t kTunnelsMax = 256;  // of one environment

  /// `wake` is called when report() should be sent at once.
  EnvironmentGate(Context& context, std::string domain, std::function<void()> wake);
  ~EnvironmentGate();

  const std::string& domain() const { return domain_; }
  /// In on_head, for a request to NAME.<domain>: answers it, or gives it its state.
  void begin(net::Exchange& exchange, std::string_view name, std::string request_id);
  /// The policy has changed, or time has passed: ends what may go on no longer.
  void check();
  /// Asks notebooks that seem idle whether a kernel is at work, and has shells that will be stopped soon tell who is in.
  /// Once a second.
  void tick();
  /// For the server: {"environments":[{"name":...,"unused_ms":...,"connections":n,"wake":true}]}; empty if there is
  /// nothing new. `unused_ms`: since the last use.
  std::string report();
  void close_tunnels();

  // For EnvironmentJob.
  Context& context() { return context_; }
  void enter(EnvironmentJob& job);
  void leave(EnvironmentJob& job);
  void touch(const std::string& name);
  /// What it writes now to who is connected may be our own notice, and no sign that somebody works.
  bool is_noticing(const std::string& name) const;
  /// The environment, while this key may be in it.
  const identity::EnvironmentPolicy* still_open(const std::string& name, const std::string& key_id) const;

 private:
  class Question;
  class KernelProbe;
  class Notice;
  struct Use {
    MonotonicPoint used{};
    std::size_t tunnels = 0;
    bool wake = false, changed = false;
    MonotonicPoint probed{};
    std::unique_ptr<Question> question;  // a probe of a notebook, the notice of a shell
    std::int64_t noticed_s = 0;          // the stop that was announced, Unix time
    std::optional<MonotonicPoint> noticed_at;
  };

  void probe(const identity::EnvironmentPolicy& environment, Use& use);
  void announce(const identity::EnvironmentPolicy& environment, Use& use);

  std::optional<Page> open_with_token(net::Exchange& exchange, const identity::EnvironmentPolicy& environment,
                                      const std::string& request_id);
  std::string key_of_cookie(const net::RequestHead& head, bool tls,
                            const identity::EnvironmentPolicy& environment) const;
  std::string key_of_bearer(const net::RequestHead& head,
                            const identity::EnvironmentPolicy& environment) const;
  void refuse(net::Exchange& exchange, const std::string& request_id, const Page& page);
  void admit(net::Exchange& exchange, const identity::EnvironmentPolicy& environment, std::string key_id,
             std::string request_id);
  void wake_up(const std::string& name);
  Use& use_of(const std::string& name);

  Context& context_;
  const std::string domain_;
  const std::function<void()> wake_;
  UsedTokens tokens_;
  std::map<std::string, Use, std::less<>> uses_;
  std::vector<EnvironmentJob*> jobs_;
};

/// True if the key may open this environment now.
bool may_open(const identity::KeyPolicy& key, const identity::EnvironmentPolicy& environment, TimePoint now);

}  // namespace millrace::gateway
