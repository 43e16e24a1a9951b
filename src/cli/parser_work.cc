#include <fmt/format.h>

#include "cli/output.h"
#include "cli/parser_line.h"

namespace millrace::cli {
namespace {

void add_run(Line& line) {
  auto& run = line.run;
  auto* sub =
      api_command(line, &line.app, "run", fmt::format("run a command as a job, here and now: {}", kRunForm),
                  [&line](const Client& client) { return run_job(client, line.run, line.json); });
  sub->footer(
      "The job's standard input is empty, whatever this command's is. Data goes with it as files of the\n"
      "folder that is sent: millrace run -- sh -c 'python3 main.py < data.txt'");
  sub->add_option("--name", run.name, "what you call it");
  sub->add_option("--image", run.image, "root file system (default: base)");
  sub->add_option("--cpus", run.cpus, "cores (default: 1)")->check(kNotNegative);
  sub->add_option("--memory", run.memory, "such as 2GiB (default: 1GiB)");
  sub->add_option("--accelerators", run.accelerators, "how many, or a fraction of one (default: 0)");
  sub->add_option("--accelerator-kind", run.accelerator_kind, "only of this kind");
  sub->add_option("--nodes", run.nodes, "nodes that it runs on at once (default: 1)");
  sub->add_option("--tasks-per-node", run.tasks_per_node, "tasks on each (default: 1)");
  sub->add_option("--time-limit", run.time_limit, "such as 30m (default: none)");
  sub->add_option("--priority-class", run.priority_class, "low, normal or high (default: normal)");
  sub->add_option("-e,--env", run.env, "NAME=VALUE, as often as you like")->allow_extra_args(false);
  sub->add_option("--workdir", run.workdir,
                  "folder to send as its working folder, at most 256 MiB (default: this one)");
  sub->add_flag("--no-workdir", run.no_workdir, "send no folder");
  sub->add_flag("--host-network", run.host_network,
                "the host's network instead of the platform's endpoints alone");
  sub->add_option("--log-max", run.log_max, "of its log, the newest part is kept (default: 64MiB)");
  sub->add_option("--scratch", run.scratch, "size of its /tmp (default: 1GiB)");
  sub->add_option("--disk", run.disk, "of working folder and output (default: 10GiB)");
  sub->add_option("--project", run.project, "its project (default: the key's)");
  sub->add_option("command", run.command, "program and arguments, after --")->required();
}

void add_submit(Line& line, CLI::App* job) {
  auto* submit =
      api_command(line, job, "submit", "submit a job file (TOML or JSON); prints its id",
                  [&line](const Client& client) { return job_submit(client, line.submit, line.json); });
  submit->add_option("file", line.submit.file, "the file; - is standard input")->required();
  submit->add_option("--workdir", line.submit.workdir,
                     "folder to send as its working folder, at most 256 MiB (default: this one)");
  submit->add_flag("--no-workdir", line.submit.no_workdir, "send no folder");
  submit->add_option("--project", line.submit.project, "its project (default: the key's)");
  submit->add_flag("--dry-run", line.submit.dry_run, "check it and show the plan, with every default");
}

void add_job(Line& line) {
  auto* job = group(line.app, "job", "jobs and arrays of jobs");
  add_submit(line, job);
  auto* list = api_command(line, job, "list", "list jobs, the newest first", [&line](const Client& client) {
    return job_list(client, line.job_list, line.json);
  });
  list->add_option("--state", line.job_list.state,
                   "queued, starting, running, pausing, succeeded, failed, ...");
  list->add_option("--project", line.job_list.project, "only of this project");
  list->add_option("--limit", line.job_list.limit, "at most so many (default: 100)")
      ->check(CLI::Range(1, 1000));
  const auto one = [&](const char* name, const char* help,
                       int (*what)(const Client&, const std::string&, bool)) {
    api_command(line, job, name, help,
                [&line, what](const Client& client) { return what(client, line.job.id, line.json); })
        ->add_option("id", line.job.id, "17, or 17_3 of an array")
        ->required();
  };
  one("show", "one job", job_show);
  one("why", "why it waits, in the scheduler's words, and when it is to start", job_why);
  auto* logs = api_command(line, job, "logs", "what a job writes",
                           [&line](const Client& client) { return job_logs(client, line.job, line.json); });
  logs->add_option("id", line.job.id, "17, or 17_3 of an array")->required();
  logs->add_flag("-f,--follow", line.job.follow, "go on with what comes, until it is over");
  logs->add_option("--task", line.job.task, "task of a gang (default: 0)")->check(kNotNegative);
  logs->add_option("--run", line.job.run, "an earlier run, from 1 (default: the last)")
      ->check(CLI::Range(1, 1'000'000'000));
  const auto many = [&](const char* name, const char* help,
                        int (*what)(const Client&, const JobOptions&, bool)) {
    api_command(line, job, name, help,
                [&line, what](const Client& client) { return what(client, line.job, line.json); })
        ->add_option("ids", line.job.ids, "one or more")
        ->required();
  };
  many("cancel", "end jobs", job_cancel);
  many("wait", "wait until jobs are over; exits 0 only if all succeeded", job_wait);
  auto* artifacts =
      api_command(line, job, "artifacts", "fetch what a job left under $MILLRACE_OUTPUT",
                  [&line](const Client& client) { return job_artifacts(client, line.job, line.json); });
  artifacts->add_option("id", line.job.id, "17, or 17_3 of an array")->required();
  artifacts->add_option("--to", line.job.to, "folder to put it in (default: output-ID)");
  api_command(line, &line.app, "queue", "work that waits, and why",
              [&line](const Client& client) { return queue_list(client, line.json); });
}

void add_nodes(Line& line) {
  auto* node = group(line.app, "node", "servers that work runs on");
  api_command(line, node, "list", "list nodes",
              [&line](const Client& client) { return node_list(client, line.json); });
  api_command(line, node, "show", "one node",
              [&line](const Client& client) { return node_show(client, line.name, line.json); })
      ->add_option("name", line.name, "its name")
      ->required();
  const std::pair<const char*, const char*> wishes[] = {
      {"cordon", "let a node take no new work"},
      {"drain", "let a node take no new work, and what runs there leave"},
      {"undrain", "let a node take work again"}};
  for (const auto& [wish, help] : wishes) {
    api_command(line, node, wish, help,
                [&line, wish](const Client& client) { return node_wish(client, line.name, wish, line.json); })
        ->add_option("name", line.name, "its name")
        ->required();
  }
  api_command(line, &line.app, "top", "power, nodes and work, once a second on a terminal",
              [&line](const Client& client) { return top(client, line.json); });
}

/// `site event --budget ...` makes one, `site event cancel ID` ends one.
void add_site(Line& line) {
  auto* site = group(line.app, "site", "the site's power");
  auto* event = site->add_subcommand(
      "event", "less power for a time; work is capped, paused and shed to keep within it");
  event->add_option("--home", line.home, "state folder (default: $MILLRACE_HOME, else ~/.millrace)");
  event->add_flag("--json", line.json, "print JSON");
  event->add_option("--budget", line.event.budget, "60% of the site's budget, or 30kW");
  event->add_option("--for", line.event.duration, "how long, such as 1h");
  event->add_option("--notice", line.event.notice, "it begins so long from now, such as 5m (default: now)");
  event->add_option("--site", line.event.site, "which, where there are several");
  api_command(line, event, "cancel", "end an event now, or before it begins",
              [&line](const Client& client) { return site_event_cancel(client, line.event.id, line.json); })
      ->add_option("id", line.event.id, "its id, as site events shows it")
      ->required();
  event->callback([&line] {
    if (line.chosen) return;  // cancel
    line.chosen = [&line] {
      if (line.event.budget.empty() || line.event.duration.empty()) {
        return report({ErrorCode::kInvalidArgument,
                       "site event: --budget and --for are required; see: millrace site event --help"});
      }
      return with_client(line.home,
                         [&line](const Client& client) { return site_event(client, line.event, line.json); });
    };
  });
  api_command(line, site, "events", "events that are not over",
              [&line](const Client& client) { return site_events(client, line.json); });
}

void add_secrets(Line& line) {
  auto* secret = group(line.app, "secret", "texts that jobs of a project get as files");
  auto* set =
      api_command(line, secret, "set", "keep a secret, from a file or standard input",
                  [&line](const Client& client) { return secret_set(client, line.secret, line.json); });
  set->add_option("name", line.secret.name, "its name")->required();
  set->add_option("--from-file", line.secret.from_file, "take the file's text as it is");
  auto* list = api_command(line, secret, "list", "list the names of secrets", [&line](const Client& client) {
    return secret_list(client, line.secret, line.json);
  });
  auto* remove = api_command(line, secret, "delete", "delete a secret", [&line](const Client& client) {
    return secret_delete(client, line.secret, line.json);
  });
  remove->add_option("name", line.secret.name, "its name")->required();
  for (auto* sub : {set, list, remove})
    sub->add_option("--project", line.secret.project, "of this project (default: the key's)");
}

}  // namespace

void add_work(Line& line) {
  add_run(line);
  add_job(line);
  add_nodes(line);
  add_site(line);
  add_secrets(line);
}

}  // namespace millrace::cli
