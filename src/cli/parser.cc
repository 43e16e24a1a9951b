#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/output.h"
#include "cli/parser_line.h"

namespace millrace::cli {

const CLI::Validator kNotNegative(
    [](const std::string& text) {
      double number = 0;
      const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
      const bool fits = bad == std::errc() && end == text.data() + text.size() && number >= 0;
      return fits ? std::string() : fmt::format("'{}' is not a number of 0 or more", text);
    },
    "");

CLI::App* command(Line& line, CLI::App* parent, const std::string& name, const std::string& help,
                  std::function<int()> run) {
  auto* sub = parent->add_subcommand(name, help);
  sub->add_option("--home", line.home, "state folder (default: $MILLRACE_HOME, else ~/.millrace)");
  sub->add_flag("--json", line.json, "print JSON");
  sub->callback([&line, run = std::move(run)] { line.chosen = run; });
  return sub;
}

CLI::App* api_command(Line& line, CLI::App* parent, const std::string& name, const std::string& help,
                      std::function<int(const Client&)> run) {
  return command(line, parent, name, help,
                 [&line, run = std::move(run)] { return with_client(line.home, run); });
}

int with_client(const std::string& home, const std::function<int(const Client&)>& run) {
  auto settings = find_settings(home);
  if (!settings) return report(settings.error());
  const std::string url = settings->url;
  try {
    return run(Client(std::move(*settings)));
  } catch (const std::exception& fault) {
    return report({ErrorCode::kInternal,
                   fmt::format("{} gave an answer that is none of this version's ({}); what listens there?",
                               url, fault.what())});
  }
}

CLI::App* group(CLI::App& app, const std::string& name, const std::string& help) {
  auto* sub = app.add_subcommand(name, help);
  sub->require_subcommand(1);
  return sub;
}

namespace {

void add_limits(CLI::App* sub, LimitOptions& limits) {
  sub->add_option("--requests-per-minute", limits.requests_per_minute, "requests started per minute")
      ->check(kNotNegative);
  sub->add_option("--tokens-per-minute", limits.tokens_per_minute, "prompt and output tokens per minute")
      ->check(kNotNegative);
  sub->add_option("--concurrency", limits.concurrency, "requests in work at once")->check(kNotNegative);
  sub->add_option("--tokens-per-month", limits.tokens_per_month, "tokens per calendar month (UTC)")
      ->check(kNotNegative);
  sub->add_option("--eur-per-month", limits.eur_per_month, "euro per calendar month (UTC)")
      ->check(kNotNegative);
}

void add_processes(Line& line) {
  auto* up =
      command(line, &line.app, "up", "start Millrace on this machine, or what is missing of it", [&line] {
        line.up.home = line.home;
        line.up.json = line.json;
        return line.roles.up(line.up);
      });
  up->add_flag("--foreground", line.up.foreground, "stay, and stop everything on Ctrl-C");
  up->add_flag("--bare", line.up.bare,
               "start the processes only: no default model, endpoint and first question");
  up->add_option("--listen", line.up.listen,
                 "HOST:PORT of the gateway (default 127.0.0.1:8080; port 0 picks one)");
  up->add_option("--tls-cert", line.up.tls_cert, "PEM file with the certificate chain");
  up->add_option("--tls-key", line.up.tls_key, "PEM file with the private key");
  command(line, &line.app, "down", "stop Millrace", [&line] { return line.roles.down(line.home); });
  command(line, &line.app, "watch", "", [&line] { return line.roles.watch(line.home); })->group("");
  command(line, &line.app, "server", "", [&line] { return line.roles.server(line.home); })->group("");
  command(line, &line.app, "gateway", "", [&line] { return line.roles.gateway(line.home); })->group("");
  command(line, &line.app, "supervise", "", [&line] { return line.roles.supervise(line.folder); })
      ->group("")
      ->add_option("folder", line.folder)
      ->required();
  api_command(line, &line.app, "status", "processes, addresses and limits",
              [&line](const Client& client) { return show_status(client, line.json); });
  auto* config = group(line.app, "config", "the configuration file");
  command(line, config, "check", "check HOME/config.toml and show what holds",
          [&line] { return line.roles.config_check(line.home, line.json); });
  command(line, &line.app, "version", "print the version", [&line] {
    if (line.json) {
      print_json({{"version", line.roles.version}});
    } else {
      fmt::print("millrace {}\n", line.roles.version);
    }
    return kOk;
  });
  auto* completion = command(line, &line.app, "completion", "print a completion script for bash, zsh or fish",
                             [&line] { return print_completion(line.app, line.shell); });
  completion->add_option("shell", line.shell, "the shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

void add_scale_options(Line& line, CLI::App* command) {
  auto& options = line.endpoint;
  auto* replicas =
      command->add_option("--replicas", options.replicas, "engines to run: the same as both bounds");
  auto* least = command->add_option("--min", options.min_replicas, "replicas at least; 0 sleeps when idle");
  auto* most = command->add_option("--max", options.max_replicas, "replicas at most; the load decides");
  for (auto* option : {replicas, least, most}) option->check(CLI::Range(0, 64));
  replicas->excludes(least)->excludes(most);
  command->add_option("--idle", options.idle_s, "seconds without a request after which none is left (300)");
  command->add_option("--first-token", options.first_token_ms,
                      "mean milliseconds to the first token to aim at; 0: none");
  command->add_option("--start-timeout", options.start_timeout_s,
                      "seconds that a request waits for a replica (120)");
}

void add_serving_options(Line& line, CLI::App* command) {
  add_scale_options(line, command);
  command->add_option("--slots", line.endpoint.slots, "requests a replica works on at once; 0: default");
  command->add_option("--context", line.endpoint.context, "tokens in all slots together; 0: default");
  command->add_option("--threads", line.endpoint.threads, "of one replica; 0: decided from the machine");
  command->add_option("--routing", line.endpoint.routing, "how requests choose among replicas")
      ->check(CLI::IsMember({"cost", "round-robin"}));
  command
      ->add_option("--spread", line.endpoint.spread,
                   "no two replicas on one node, in one rack, or on one rail")
      ->check(CLI::IsMember({"none", "node", "rack", "rail"}));
}

void add_endpoint_changes(Line& line, CLI::App* endpoint) {
  auto* update = api_command(
      line, endpoint, "update", "change model, parameters or bounds; no request fails of it",
      [&line](const Client& client) { return endpoint_update(client, line.endpoint, line.json); });
  update->add_option("name", line.endpoint.name, "its name")->required();
  update->add_option("--model", line.endpoint.model, "the model it serves from now on");
  add_serving_options(line, update);
  update->add_flag("!--no-wait", line.endpoint.wait, "do not wait until all replicas are the new ones");
  auto* scale = api_command(
      line, endpoint, "scale", "change how many replicas it may have",
      [&line](const Client& client) { return endpoint_update(client, line.endpoint, line.json); });
  scale->add_option("name", line.endpoint.name, "its name")->required();
  add_scale_options(line, scale);
  scale->add_flag("!--no-wait", line.endpoint.wait, "do not wait until they are there");
}

/// Path of this very program, for ssh to call.
std::string program_path() {
  std::error_code bad;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", bad);
  return bad ? "millrace" : path.string();
}

/// `env` alone prints shell exports; its commands are about environments.
void add_environments(Line& line) {
  auto* env = line.app.add_subcommand(
      "env", "shell exports with which any client works: eval \"$(millrace env)\"; and notebooks and shells");
  env->add_option("--home", line.home, "state folder (default: $MILLRACE_HOME, else ~/.millrace)");
  env->add_flag("--json", line.json, "print JSON");
  auto& options = line.environment;
  const auto named = [&](CLI::App* sub) { sub->add_option("name", options.name, "its name")->required(); };
  auto* create = api_command(
      line, env, "create", "make a notebook or a shell and start it",
      [&line](const Client& client) { return environment_create(client, line.environment, line.json); });
  named(create);
  create->add_option("--kind", options.kind, "jupyter or shell (default: jupyter)")
      ->check(CLI::IsMember({"jupyter", "shell"}));
  create->add_option("--project", options.project, "its project (default: the key's)");
  create->add_option("--cpus", options.cpus, "processors (default: 1)")->check(kNotNegative);
  create->add_option("--memory", options.memory, "such as 4GiB (default: 2GiB)");
  create->add_option("--accelerators", options.accelerators, "devices")->check(kNotNegative);
  create->add_option("--accelerator-kind", options.accelerator_kind, "of this kind");
  create->add_option("--idle", options.idle, "stop it after so long without use: 30m, 2h; 0 is never");
  create->add_option("--public-key", options.public_key_file,
                     "of a shell: who may come in (default: a key made for you)");
  create->add_flag("!--no-wait", options.wait, "do not wait until it runs");
  api_command(line, env, "list", "list environments", [&line](const Client& client) {
    return environment_list(client, line.environment, line.json);
  })->add_option("--project", options.project, "of this project");
  named(api_command(line, env, "show", "one environment", [&line](const Client& client) {
    return environment_show(client, line.environment.name, line.json);
  }));
  auto* open = api_command(
      line, env, "open", "a link for a browser, or ssh into a shell; starts it where needed",
      [&line](const Client& client) { return environment_open(client, line.environment, line.json); });
  named(open);
  open->add_flag("--print", options.print, "print the ssh command instead of running it");
  open->add_option("-i,--identity", options.identity_file, "private key for ssh");
  open->add_option("command", options.command, "what to run in a shell instead of its login shell");
  auto* stop = api_command(
      line, env, "stop", "stop an environment; its volume stays",
      [&line](const Client& client) { return environment_stop(client, line.environment, line.json); });
  named(stop);
  stop->add_flag("!--no-wait", options.wait, "do not wait until it has stopped");
  auto* remove = api_command(
      line, env, "delete", "stop and delete an environment",
      [&line](const Client& client) { return environment_delete(client, line.environment, line.json); });
  named(remove);
  remove->add_flag("--volume", options.volume, "its volume, too");
  named(api_command(
      line, env, "proxy", "carry bytes to its ssh server: the ProxyCommand of ssh",
      [&line](const Client& client) { return environment_proxy(client, line.environment.name); }));
  env->callback([&line] {
    if (line.chosen) return;
    line.chosen = [&line] {
      return with_client(line.home, [&line](const Client& client) { return show_env(client, line.json); });
    };
  });
}

void add_endpoints(Line& line) {
  auto* endpoint = group(line.app, "endpoint", "names that requests are sent to");
  auto* create = api_command(line, endpoint, "create", "create an endpoint", [&line](const Client& client) {
    return endpoint_create(client, line.endpoint, line.json);
  });
  create->add_option("name", line.endpoint.name, "what clients send as the model")->required();
  auto* model = create->add_option("--model", line.endpoint.model, "a model of this installation");
  add_serving_options(line, create);
  create->add_flag("--embeds", line.endpoint.embeds, "answer embeddings instead of text");
  auto* upstream =
      create->add_option("--upstream", line.endpoint.upstream, "URL of an OpenAI-compatible server");
  create->add_option("--upstream-model", line.endpoint.upstream_model, "the model's name there");
  create->add_option("--upstream-key-file", line.endpoint.upstream_key_file,
                     "file that holds the key for it");
  create->add_flag("--upstream-embeds", line.endpoint.upstream_embeds, "the upstream answers embeddings too");
  create->add_flag("!--no-wait", line.endpoint.wait, "do not wait until it is ready");
  model->excludes(upstream);
  add_endpoint_changes(line, endpoint);
  api_command(line, endpoint, "list", "list endpoints",
              [&line](const Client& client) { return endpoint_list(client, line.json); });
  api_command(line, endpoint, "show", "one endpoint and its replicas",
              [&line](const Client& client) { return endpoint_show(client, line.name, line.json); })
      ->add_option("name", line.name, "its name")
      ->required();
  api_command(line, endpoint, "delete", "delete an endpoint",
              [&line](const Client& client) { return endpoint_delete(client, line.name, line.json); })
      ->add_option("name", line.name, "its name")
      ->required();
}

void add_models(Line& line) {
  auto* models = group(line.app, "model", "model files");
  auto* import = api_command(line, models, "import", "import a GGUF file", [&line](const Client& client) {
    return model_import(client, line.model, line.json);
  });
  import->add_option("source", line.model.source, "FILE, pypi:NAME[==VERSION] or https://...")->required();
  import->add_option("--name", line.model.name, "name in this installation");
  import->add_option("--sha256", line.model.sha256, "refuse any other content");
  api_command(line, models, "list", "list models",
              [&line](const Client& client) { return model_list(client, line.json); });
  api_command(line, models, "show", "one model",
              [&line](const Client& client) { return model_show(client, line.name, line.json); })
      ->add_option("name", line.name, "its name")
      ->required();
  api_command(line, models, "delete", "delete a model that no endpoint uses",
              [&line](const Client& client) { return model_delete(client, line.name, line.json); })
      ->add_option("name", line.name, "its name")
      ->required();

  auto* logs_command = api_command(line, &line.app, "logs", "an engine's log", [&line](const Client& client) {
    return logs(client, line.log, line.json);
  });
  logs_command->add_option("name", line.log.name, "an endpoint or a replica's id")->required();
  logs_command->add_flag("-f,--follow", line.log.follow, "go on with what comes");
  auto* chat_command =
      api_command(line, &line.app, "chat", "talk to an endpoint",
                  [&line](const Client& client) { return chat(client, line.chat, line.json); });
  chat_command->add_option("text", line.chat.text, "what to say; without it, standard input or a dialogue");
  chat_command->add_option("-m,--model", line.chat.model, "endpoint (default: the one that answers)");
  chat_command->add_option("--system", line.chat.system, "system message");
  chat_command->add_option("--max-tokens", line.chat.max_tokens, "longest answer")
      ->check(CLI::PositiveNumber);
}

void add_identity(Line& line) {
  auto* tenant = group(line.app, "tenant", "tenants");
  api_command(line, tenant, "create", "create a tenant; its quota is zero",
              [&line](const Client& client) { return tenant_create(client, line.name, line.json); })
      ->add_option("name", line.name, "its name")
      ->required();
  api_command(line, tenant, "list", "list tenants",
              [&line](const Client& client) { return tenant_list(client, line.json); });

  auto* project = group(line.app, "project", "projects of tenants");
  auto* create = api_command(line, project, "create", "create a project", [&line](const Client& client) {
    return project_create(client, line.name, line.tenant, line.json);
  });
  create->add_option("name", line.name, "its name")->required();
  create->add_option("--tenant", line.tenant, "its tenant")->required();
  api_command(line, project, "list", "list projects",
              [&line](const Client& client) { return project_list(client, line.json); });

  auto* key = group(line.app, "key", "API keys");
  auto* new_key =
      api_command(line, key, "create", "create a key; it is shown once",
                  [&line](const Client& client) { return key_create(client, line.key, line.json); });
  new_key->add_option("--project", line.key.project, "its project")->required();
  new_key->add_option(
      "--role", line.key.role,
      "platform-admin, operator, auditor, tenant-admin, developer or viewer (default: developer)");
  new_key->add_option("--expires", line.key.expires, "RFC 3339 time or date");
  add_limits(new_key, line.key.limits);
  api_command(line, key, "list", "list keys",
              [&line](const Client& client) { return key_list(client, line.json); });
  api_command(line, key, "revoke", "revoke a key at once, for open streams too",
              [&line](const Client& client) { return key_revoke(client, line.key.id, line.json); })
      ->add_option("id", line.key.id, "its id, as key list shows it")
      ->required();

  auto* quota = group(line.app, "quota", "ceilings of tenants and projects");
  auto* set = api_command(line, quota, "set", "set a quota",
                          [&line](const Client& client) { return quota_set(client, line.quota, line.json); });
  auto* show = api_command(line, quota, "show", "the quota that holds", [&line](const Client& client) {
    return quota_show(client, line.quota, line.json);
  });
  for (auto* sub : {set, show}) {
    sub->add_option("--tenant", line.quota.tenant, "of this tenant");
    sub->add_option("--project", line.quota.project, "of this project");
  }
  set->add_flag("--unlimited", line.quota.unlimited, "no limit");
  set->add_flag("--replace", line.quota.replace, "what is not given is no limit, instead of what it was");
  add_limits(set, line.quota.limits);
  auto& compute = line.quota.compute;
  set->add_option("--accelerators", compute.accelerators, "accelerators held at once")->check(kNotNegative);
  set->add_option("--cpus", compute.cpus, "cores held at once")->check(kNotNegative);
  set->add_option("--memory", compute.memory, "memory held at once, such as 64GiB");
  set->add_option("--share", compute.share, "weight among the others (default 1)")->check(kNotNegative);
  auto* borrow = set->add_flag_callback(
      "--borrow", [&compute] { compute.borrow = true; }, "beyond that what others leave (default)");
  set->add_flag_callback(
         "--no-borrow", [&compute] { compute.borrow = false; }, "never more, even while others leave it")
      ->excludes(borrow);
}

void add_ledger(Line& line) {
  auto* price = group(line.app, "price", "prices of models and of machines");
  auto* set = api_command(line, price, "set",
                          "set a price of a model, or of machines; it holds for requests and runs that start "
                          "from now on",
                          [&line](const Client& client) { return price_set(client, line.price, line.json); });
  set->add_option("--model", line.price.model, "model");
  set->add_option("--input-eur-per-mtok", line.price.input_eur_per_mtok, "EUR per million input tokens")
      ->check(kNotNegative);
  set->add_option("--output-eur-per-mtok", line.price.output_eur_per_mtok, "EUR per million output tokens")
      ->check(kNotNegative);
  set->add_option("--accelerator-eur-per-hour", line.price.accelerator_eur_per_hour,
                  "EUR for each hour that a job or environment holds an accelerator")
      ->check(kNotNegative);
  set->add_option("--core-eur-per-hour", line.price.core_eur_per_hour,
                  "EUR for each hour that one holds a core; of the two, what is left out stays as it is")
      ->check(kNotNegative);
  api_command(line, price, "list", "prices in force", [&line](const Client& client) {
    return price_list(client, line.price.all, line.json);
  })->add_flag("--all", line.price.all, "past versions too, each with the time from which it held");

  auto* usage = line.app.add_subcommand("usage", "what was used, summed");
  usage->add_option("--home", line.home, "state folder");
  usage->add_flag("--json", line.json, "print JSON");
  usage->add_option("--by", line.usage.by, "model, key, project, tenant or day")
      ->check(CLI::IsMember({"model", "key", "project", "tenant", "day"}));
  auto* records =
      api_command(line, usage, "records", "every request, one a line with --json",
                  [&line](const Client& client) { return usage_records(client, line.usage, line.json); });
  auto* energy =
      api_command(line, usage, "energy", "the site's energy, by interval",
                  [&line](const Client& client) { return usage_energy(client, line.usage, line.json); });
  for (auto* sub : {usage, records, energy}) {
    sub->add_option("--from", line.usage.from, "RFC 3339 time or date, included");
    sub->add_option("--to", line.usage.to, "RFC 3339 time or date, not included");
  }
  usage->callback([&line] {
    if (line.chosen) return;  // records or energy
    line.chosen = [&line] {
      return with_client(line.home,
                         [&line](const Client& client) { return usage_sum(client, line.usage, line.json); });
    };
  });
}

}  // namespace

int run(int argc, const char* const* argv, const Roles& roles) {
  Line line(roles);
  line.environment.program = program_path();
  line.app.require_subcommand(1);
  line.app.set_version_flag("--version", "millrace " + roles.version);
  line.app.add_option("--home", line.home, "state folder (default: $MILLRACE_HOME, else ~/.millrace)");
  line.app.add_flag("--json", line.json, "print JSON");
  add_processes(line);
  add_environments(line);
  add_endpoints(line);
  add_models(line);
  add_identity(line);
  add_ledger(line);
  roles.add_image(*group(line.app, "image", "root file systems that jobs and environments run in"),
                  line.chosen);
  add_work(line);
  roles.add_twin(
      *group(line.app, "twin", "what if: the scheduler on simulated sites, against published figures"),
      line.chosen);
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool wants_text = error.get_exit_code() == 0;  // --help, --version
    return wants_text ? line.app.exit(error) : report_usage(line.app, error, {argv + 1, argv + argc});
  }
  return line.chosen();
}

}  // namespace millrace::cli
