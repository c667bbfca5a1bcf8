#include <fmt/core.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>

#include "app/commands.hpp"
#include "app/version.hpp"
#include "base/assert.hpp"
#include "base/crash_point.hpp"

namespace pebbles::app {
namespace {

/// "90", "90s", "15m", "1h" or "7d".
std::optional<std::chrono::seconds> parse_duration(std::string text) {
  std::int64_t unit = 1;
  if (!text.empty()) switch (text.back()) {
      case 'd': unit = 86'400; break;
      case 'h': unit = 3'600; break;
      case 'm': unit = 60; break;
      case 's': break;
      default: text.push_back('s');
    }
  if (text.size() < 2 || text.size() > 10) return std::nullopt;
  text.pop_back();
  if (text.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return std::chrono::seconds{std::stoll(text) * unit};
}

/// The flags of every setting, so that each command that reads the configuration takes them.
void add_settings(CLI::App& command, Flags& flags) {
  command
      .add_option_function<std::string>(
          "--embedded", [&flags](const std::string& dir) { flags.insert_or_assign("--embedded", dir); },
          "keep everything in DIR: the embedded store and a development key")
      ->type_name("DIR");
  for (const auto& setting : settings()) {
    const std::string flag{setting.flag};
    auto* const option = command.add_option_function<std::string>(
        flag, [&flags, flag](const std::string& value) { flags.insert_or_assign(flag, value); },
        fmt::format("{} (${})", setting.allowed, setting.variable));
    if (setting.secret && !setting.is_url) option->group("");  // known, to be refused with the reason; not in the help
  }
}

/// The flags of arguments that nobody knows. What stands beside a flag with a slip in its name may be a secret.
std::string flags_among(const std::vector<std::string>& arguments) {
  std::string out;
  for (const auto& argument : arguments) {
    if (!out.empty()) out += ' ';
    out += argument.starts_with("--") ? argument.substr(0, argument.find('=')) : "(hidden)";
  }
  return out;
}

int run_with_config(const Flags& flags, const std::function<int(const Config&)>& command) {
  const auto config = load_config(flags, from_process_environment, names_in_process_environment());
  if (!config) {
    fmt::print(stderr, "pebbles: {}\n", config.error().detail);
    return 2;
  }
  set_last_act(telemetry::flush_log);
  telemetry::start_log("warn", config->log_format);  // `serve` turns it up
  return command(*config);
}

int run(int argc, char** argv) {
  CLI::App program{"Pebbles tells how far each file is: workers report, everybody sees.", "pebbles"};
  program.set_version_flag("--version", std::string{"pebbles "} + std::string{version});
  program.require_subcommand(1);

  Flags flags;
  TokenRequest token;
  ReplayRequest dead_letters;
  std::string ttl = "1h";
  int exit_code = 0;
  const auto add_to = [&](CLI::App& parent, const char* name, const char* help,
                          std::function<int(const Config&)> work) {
    auto* const command = parent.add_subcommand(name, help);
    add_settings(*command, flags);
    command->callback([&flags, &exit_code, work = std::move(work)] { exit_code = run_with_config(flags, work); });
    return command;
  };
  const auto add = [&](const char* name, const char* help, std::function<int(const Config&)> work) {
    return add_to(program, name, help, std::move(work));
  };

  add("serve", "run the server", serve);
  add("config", "print the configuration in force, secrets masked", print_config);
  VerifyRequest proof;
  auto* const prove = add("verify", "prove that every snapshot is the fold of its events, and every log a chain",
                          [&](const Config& config) { return verify(config, proof); });
  prove->add_option("--head", proof.heads, "a file of heads that were kept elsewhere: the log must have them still");
  prove->add_option("--write-heads", proof.write_heads, "write the heads to this file, to keep them elsewhere");
  add("rebuild", "derive the snapshots and indexes from the log again", rebuild);
  bool dry_run = false;
  bool at_once = false;
  auto* const pruning =
      add("prune", "delete what RETENTION_DAYS and EVENTS_RETENTION_DAYS say is too old", [&](const Config& config) {
        const auto how = at_once ? Pruning::now : Pruning::as_configured;
        return prune(config, dry_run ? Pruning::dry_run : how);
      });
  auto* const count_only = pruning->add_flag("--dry-run", dry_run, "count, and delete nothing");
  pruning->add_flag("--now", at_once, "erase what deleted files contained at once, and out of free space too")
      ->excludes(count_only);
  std::string health_url;
  add("health", "ask the server on this host whether it is ready: exit code 0 or 1", [&](const Config& config) {
    return ask_health(config, health_url);
  })->add_option("--url", health_url, "ask there instead");
  std::string backup_file;
  add("backup", "copy the embedded store to a new file, beside a running server too",
      [&](const Config& config) { return backup(config, backup_file); })
      ->add_option("FILE", backup_file, "must not be there yet")
      ->required();
  auto* const mint = add("token", "print a development token", [&](const Config& config) {
    const auto seconds = parse_duration(ttl);
    if (!seconds) {
      fmt::print(stderr, "pebbles: --ttl {}: must be a duration such as 90s, 15m, 1h or 7d\n", ttl);
      return 2;
    }
    token.ttl = *seconds;
    return print_token(config, token);
  });
  mint->add_option("--email", token.email, "whose token it is")->required();
  mint->add_option("--client", token.client,
                   "name this client in it; a server binds by it where JWT_CLIENT_CLAIM is set");
  mint->add_option("--ttl", ttl, "how long it is valid: 90s, 15m, 1h (if not said otherwise), 7d");
  auto* const dlq = program.add_subcommand("dlq", "dead letters of Kafka");
  dlq->require_subcommand(1);
  auto* const replay =
      add_to(*dlq, "replay", "send dead letters back to where they came from; each counts once, however often",
             [&](const Config& config) { return replay_dead_letters(config, dead_letters); });
  replay->add_option("--from", dead_letters.from, "only what was refused then or later: RFC 3339, in UTC");
  replay->add_option("--to", dead_letters.to, "only what was refused before");
  replay->add_option("--reason", dead_letters.reasons, "only what was refused for this; may be repeated")
      ->allow_extra_args(false);
  replay->add_flag("--dry-run", dead_letters.dry_run, "count by reason, and send nothing");
#ifdef PEBBLES_CRASH_POINTS
  program.add_subcommand("crash-points", "list the points at which PEBBLES_CRASH_AT can end this build")->callback([] {
    for (const auto name : crash_points) fmt::print("{}\n", name);
  });
#endif

  try {
    program.parse(argc, argv);
  } catch (const CLI::ExtrasError& error) {
    fmt::print(stderr, "pebbles: not understood: {}\n", flags_among(program.remaining(true)));
    return static_cast<int>(error.get_exit_code());
  } catch (const CLI::ParseError& error) {
    return program.exit(error);
  }
  return exit_code;
}

}  // namespace
}  // namespace pebbles::app

int main(int argc, char** argv) {
  ::umask(S_IRWXG | S_IRWXO);  // whatever is made is its owner's alone
  return pebbles::app::run(argc, argv);
}
