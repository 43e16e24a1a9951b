// PolicyFeed: pushes the policy to every gateway over a unix socket and learns which version each has taken over.
//
// Lines of JSON. A gateway begins with {"hello":1,"gateway":ID,"version":N} and gets one full change; then a change
// whenever something changed (identity/policy.h). It answers each with {"ack":VERSION} once the change is in force,
// and sends {"stats":{...}} every second (api/live.h), and {"environments":[{"name":...,"unused_ms":...,"connections":n,
// "wake":true}]} when environments were used or wanted.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "api/live.h"
#include "api/services.h"
#include "core/clock.h"
#include "core/result.h"
#include "host/log.h"
#include "identity/policy.h"
#include "net/line_channel.h"
#include "net/loop.h"

namespace millrace::api {

using PolicyRecords = std::map<std::string, std::string>;  // record name -> JSON object text

/// Where the records come from. Called from one thread at a time.
class PolicySource {
 public:
  virtual ~PolicySource() = default;
  /// Everything that gateways are to know, as it is now.
  virtual Result<PolicyRecords> assemble() = 0;
};

/// What turns `before` into `after`, without a version.
identity::PolicyChange difference(const PolicyRecords& before, const PolicyRecords& after);

/// Created, used and destroyed on the loop's thread, but for the methods that say otherwise.
class PolicyFeed final : public PolicyPublisher, private net::LineHandler {
 public:
  struct Options {
    std::string path;                                // of the unix socket
    std::chrono::milliseconds resync{1000};          // the records are looked at this often at least
    platform::Environments* environments = nullptr;  // told how gateways see them used; may be null
  };

  /// Listens, and assembles the records in a thread of its own. Versions start at the Unix time in milliseconds, so
  /// that they go up over restarts. kInvalidArgument if the records cannot be assembled now. All that is passed in
  /// must outlive the feed; `log` may be null. The loop must run, or the publishing methods wait for nothing.
  static Result<std::unique_ptr<PolicyFeed>> start(net::Loop& loop, Options options, PolicySource& source,
                                                   Live& live, const Clock& clock, host::Logger* log);
  ~PolicyFeed() override;

  /// Something may have changed: assembles soon. Any thread; returns at once.
  void notify();
  /// Any thread but the loop's.
  Result<AckReport> publish_and_wait(std::chrono::milliseconds timeout) override;
  /// Ids of the gateways that said hello and are connected. Any thread.
  std::vector<std::string> gateways() const;
  /// Any thread.
  std::int64_t version() const;

 private:
  struct Session {
    std::unique_ptr<net::LineChannel> channel;
    std::string gateway;     // empty until hello
    std::int64_t sent = 0;   // loop thread only
    std::int64_t acked = 0;  // guarded by mutex_
  };
  using SessionId = std::uint64_t;

  PolicyFeed(net::Loop& loop, Options options, PolicySource& source, Live& live, const Clock& clock,
             host::Logger* log);

  Result<std::int64_t> refresh();
  void assemble_until_stopped(std::stop_token stop);
  void broadcast(std::int64_t version, const std::string& line);
  void drop(const std::set<SessionId>& ids);

  void on_connected(host::Fd fd);
  void on_line(net::LineChannel& channel, std::string_view line) override;
  void on_close(net::LineChannel& channel, const Error& error) override;
  Session* session_of(const net::LineChannel& channel, SessionId* id = nullptr);
  void say_hello(Session& session, const boost::json::object& message);
  void end_session(SessionId id);

  net::Loop& loop_;
  const Options options_;
  PolicySource& source_;
  Live& live_;
  const Clock& clock_;
  host::Logger* const log_;
  std::unique_ptr<net::LineServer> server_;  // loop thread
  std::shared_ptr<PolicyFeed*> self_;        // loop thread: emptied by the destructor, for posted work
  SessionId next_session_ = 1;               // loop thread
  std::mutex assembling_;                    // one assembly at a time; taken before mutex_

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<SessionId, Session> sessions_;  // guarded by mutex_; changed on the loop thread only
  PolicyRecords records_;                  // guarded by mutex_
  std::int64_t version_ = 0;               // guarded by mutex_
  bool dirty_ = false;                     // guarded by mutex_
  bool stopping_ = false;                  // guarded by mutex_
  std::jthread assembler_;
};

}  // namespace millrace::api
