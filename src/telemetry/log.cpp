#include "telemetry/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/clock.hpp"
#include "base/redact.hpp"
#include "telemetry/log_line.hpp"
#include "telemetry/log_writer.hpp"

namespace pebbles::telemetry {
namespace {

constexpr std::array<std::string_view, 6> level_names{"trace", "debug", "info", "warn", "error", "off"};
constexpr std::size_t waiting_bytes_max = 4UL << 20U;
constexpr std::size_t text_bytes_max = 512;  // of a member

std::atomic<Level> level_in_force{Level::info};
std::atomic<LogFormat> format_in_force{LogFormat::text};

std::string_view name_of(Level level) { return level_names.at(static_cast<std::size_t>(level)); }

/// How many bytes from there on are one character of UTF-8 (RFC 3629, section 4); 0 when they are none.
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
  const bool bad = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) >= 0xa0) ||
                   (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90);
  return bad ? 0 : size;
}

/// Makes text safe inside a quoted value of either format: no control character, quote or backslash stays as it is, and
/// what is not UTF-8 is replaced.
void append_escaped(std::string& out, std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto rest = text.substr(at);
    const auto size = character_size(rest);
    if (at + std::max<std::size_t>(size, 1) > text_bytes_max) break;
    at += std::max<std::size_t>(size, 1);
    const auto first = static_cast<unsigned char>(rest.front());
    const bool is_separator = rest.starts_with("\xe2\x80\xa8") || rest.starts_with("\xe2\x80\xa9");
    const bool is_c1 = size == 2 && first == 0xc2 && static_cast<unsigned char>(rest[1]) < 0xa0;
    if (size == 0)
      out += "\xef\xbf\xbd";
    else if (first < 0x20 || first == 0x7f)
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", first);
    else if (is_separator)  // of lines and paragraphs: some readers end a line there
      out += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
    else if (is_c1)
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(rest[1]));
    else if (first == '"' || first == '\\')
      out += {'\\', static_cast<char>(first)};
    else
      out += rest.substr(0, size);
  }
  if (at < text.size()) out += "...";
}

void append_value(std::string& out, const Member& member) {
  const auto append = [&out](const auto& value) {
    using Value = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::same_as<Value, std::string_view>) {
      out += '"';
      append_escaped(out, redacted(value.substr(0, 2 * text_bytes_max)));
      if (value.size() > 2 * text_bytes_max && !out.ends_with("...")) out += "...";
      out += '"';
    } else if constexpr (std::same_as<Value, double>) {
      fmt::format_to(std::back_inserter(out), "{:.3f}", value);
    } else {
      fmt::format_to(std::back_inserter(out), "{}", value);
    }
  };
  std::visit(append, member.value);
}

bool is_left_out(const Member& member) {
  const auto* const text = std::get_if<std::string_view>(&member.value);
  return text != nullptr && text->empty();
}

std::string make_line(Level level, std::string_view event, Members members, std::optional<std::int64_t> unsaid) {
  const bool json = format_in_force.load(std::memory_order_relaxed) == LogFormat::json;
  std::string out;
  out.reserve(256);
  if (json) out += R"({"ts":")";
  append_rfc3339(out, SystemClock{}.now());
  if (json)
    fmt::format_to(std::back_inserter(out), R"(","level":"{}","event":"{}")", name_of(level), event);
  else
    fmt::format_to(std::back_inserter(out), " {:<5} {}", name_of(level), event);
  const auto add = [&](const Member& member) {
    if (is_left_out(member)) return;
    if (json)
      fmt::format_to(std::back_inserter(out), R"(,"{}":)", member.name);
    else
      fmt::format_to(std::back_inserter(out), " {}=", member.name);
    append_value(out, member);
  };
  for (const auto& member : members) add(member);
  if (unsaid) add({"unsaid", *unsaid});
  out += json ? "}\n" : "\n";
  return out;
}

LogWriter& writer() {
  static LogWriter one{{.descriptor = STDERR_FILENO,
                        .bytes_max = waiting_bytes_max,
                        .tell_dropped =
                            [](std::int64_t lines) {
                              return make_line(Level::warn, "log_lines_dropped", {{"lines", lines}}, std::nullopt);
                            },
                        .each_second = RepeatedEvent::say_overdue}};
  return one;
}

/// All kinds there are. Kept for ever: the writer's thread may ask for them until the process ends.
struct Kinds {
  std::mutex mutex;
  std::vector<RepeatedEvent*> all;
};
Kinds& kinds() {
  static auto* const one = new Kinds;
  return *one;
}

void write_line(Level level, std::string_view event, Members members, std::optional<std::int64_t> unsaid = {}) {
  writer().append(make_line(level, event, members, unsaid));
}

}  // namespace

bool start_log(std::string_view level, LogFormat format) {
  const auto* const found = std::ranges::find(level_names, level);
  if (found == level_names.end()) return false;
  level_in_force = static_cast<Level>(found - level_names.begin());
  format_in_force = format;
  return true;
}

bool is_logged(Level level) { return level >= level_in_force.load(std::memory_order_relaxed) && level != Level::off; }

void change_level(Verbosity verbosity) {
  const auto before = static_cast<int>(level_in_force.load());
  const auto after = std::clamp(before + (verbosity == Verbosity::more ? -1 : 1), 0, static_cast<int>(Level::off));
  level_in_force = static_cast<Level>(after);
  write_line(Level::info, "log_level_changed",
             {{"from", name_of(static_cast<Level>(before))}, {"to", name_of(static_cast<Level>(after))}});
}

void flush_log() noexcept { writer().flush(); }

void say(Level level, std::string_view event, Members members) {
  if (is_logged(level)) write_line(level, event, members);
}

RepeatedEvent::RepeatedEvent(Level level, std::string_view event) : level_{level}, event_{event} {
  const std::lock_guard lock{kinds().mutex};
  kinds().all.push_back(this);
}

bool RepeatedEvent::say(Members members) {
  if (!is_logged(level_)) return false;
  const auto unsaid = limit_.pass();
  if (!unsaid) return false;
  write_line(level_, event_, members, *unsaid > 0 ? unsaid : std::nullopt);
  return true;
}

void RepeatedEvent::say_overdue() {
  const std::lock_guard lock{kinds().mutex};
  for (auto* const kind : kinds().all)
    if (const auto lines = kind->limit_.take_overdue(); lines > 0 && is_logged(kind->level_))
      write_line(kind->level_, "unsaid", {{"of", kind->event_}, {"lines", lines}});
}

}  // namespace pebbles::telemetry
