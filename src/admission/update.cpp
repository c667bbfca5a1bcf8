#include "admission/update.hpp"

#include <simdjson.h>

#include "crypto/sha256.hpp"
#include "domain/text.hpp"
#include "json/writer.hpp"

namespace pebbles::admission {
namespace {

bool is_plain_text(std::string_view text, std::size_t bytes_max) {
  return !text.empty() && text.size() <= bytes_max && simdjson::validate_utf8(text.data(), text.size()) &&
         !domain::has_control_character(text);
}

void append_member(std::string& out, std::string_view name, std::int64_t value) {
  out += name;
  json::append_integer(out, value);
}

void append_items(std::string& out, const domain::ItemList& items) {
  char separator = '[';
  for (const auto& item : items) {
    out.push_back(separator);
    separator = ',';
    out.push_back('{');
    if (item.line) {
      append_member(out, "\"line\":", *item.line);
      out.push_back(',');
    }
    out += "\"message\":";
    json::append_string(out, item.message);
    out.push_back('}');
  }
  out += items.empty() ? "[]" : "]";
}

/// What a fingerprint is made of. Fingerprints stand in the log for ever and a redelivery may come years later, so
/// these bytes must never change; a test holds them still. The rendering is canonical JSON: always these five members
/// in this order, no white space, `total` null when the update had none, `line` left out when unknown:
///   {"counts":{"done":5,"warn":0,"failed":0},"total":null,"isLast":false,"errors":[{"line":3,"message":"x"}],"warnings":[]}
/// Key, identity, client and filename are left out: a key's scope is the stream, so they are equal by then. An item's
/// code, field and value are left out too: before they were known they were ignored, and what was sent then has to be
/// recognised still.
std::string canonical(const domain::Reported& what) {
  std::string out;
  out.reserve(256);
  append_member(out, R"({"counts":{"done":)", what.counts.done);
  append_member(out, R"(,"warn":)", what.counts.warn);
  append_member(out, R"(,"failed":)", what.counts.failed);
  out += R"(},"total":)";
  if (what.total) {
    json::append_integer(out, *what.total);
  } else {
    out += "null";
  }
  out += what.is_last ? R"(,"isLast":true,"errors":)" : R"(,"isLast":false,"errors":)";
  append_items(out, what.errors);
  out += R"(,"warnings":)";
  append_items(out, what.warnings);
  out.push_back('}');
  return out;
}

}  // namespace

std::string summary_of(const Faults& faults) {
  std::string out = "Invalid parameters";
  std::string_view separator = ": ";
  for (const auto& fault : faults) {
    out += separator;
    out += fault.detail;
    separator = "; ";
  }
  return out;
}

bool is_valid_key(std::string_view key) { return is_plain_text(key, key_bytes_max); }

bool is_valid_filename(std::string_view filename) { return is_plain_text(filename, filename_bytes_max); }

bool is_valid_email(std::string_view email) {
  return simdjson::validate_utf8(email.data(), email.size()) && domain::is_valid_email(email);
}

domain::EventKey make_key(std::string_view key_space, std::string_view key, const domain::Reported& what) {
  domain::EventKey out;
  out.text.reserve(key_space.size() + key.size());
  out.text.append(key_space).append(key);
  out.hash = crypto::short_sha256({out.text});
  out.fingerprint = crypto::short_sha256({canonical(what)});
  return out;
}

}  // namespace pebbles::admission
