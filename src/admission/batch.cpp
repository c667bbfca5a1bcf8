#include "admission/batch.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "admission/read_update.hpp"
#include "base/result.hpp"

namespace pebbles::admission {
namespace {

using Texts = std::vector<std::string_view>;

constexpr std::string_view white_space = " \t\r\n";

std::unexpected<BadBatch> bad_batch(std::string detail) {
  return std::unexpected{BadBatch{.has_too_many = false, .detail = std::move(detail)}};
}
std::unexpected<BadBatch> bad_batch(const Fault& fault) { return bad_batch(fault.detail); }
std::unexpected<BadBatch> malformed() { return bad_batch("the body is not valid JSON: it is malformed"); }
std::unexpected<BadBatch> too_many() {
  return std::unexpected{
      BadBatch{.has_too_many = true, .detail = fmt::format("A batch must have at most {} updates", batch_updates_max)}};
}

/// Finds where the values of a document begin and end, by its quotes and brackets alone: whether they are JSON is for
/// the parser to say, one by one. So no more than one of them is ever held parsed, and each has its own bound.
class Cutter {
 public:
  explicit Cutter(std::string_view text) : text_{text} {}

  [[nodiscard]] bool is_at_end() {
    skip_white_space();
    return at_ == text_.size();
  }
  [[nodiscard]] bool is_before(char c) { return !is_at_end() && text_[at_] == c; }
  /// Takes `c`, if it comes next.
  bool take(char c) {
    const bool comes = is_before(c);
    if (comes) ++at_;
    return comes;
  }
  /// Everything up to what must separate it from the next, or ends what it stands in.
  std::string_view value();

 private:
  void skip_white_space() { at_ = std::min(text_.find_first_not_of(white_space, at_), text_.size()); }
  void skip_string();

  std::string_view text_;
  std::size_t at_ = 0;
};

/// From its first quote to behind its last.
void Cutter::skip_string() {
  for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
    if (text_[at_] == '\\') ++at_;
  at_ = std::min(at_ + 1, text_.size());
}

std::string_view Cutter::value() {
  skip_white_space();
  const auto begin = at_;
  std::size_t depth = 0;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      skip_string();
      continue;
    }
    if (depth == 0 && (c == ',' || c == ':' || c == ']' || c == '}')) break;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    ++at_;
  }
  const auto found = text_.substr(begin, at_ - begin);
  return found.substr(0, found.find_last_not_of(white_space) + 1);
}

std::expected<Texts, BadBatch> cut_array(Cutter& document) {
  Texts out;
  if (!document.take('[')) return malformed();
  if (document.take(']')) return out;
  do {
    if (out.size() == batch_updates_max) return too_many();
    out.push_back(document.value());
  } while (document.take(','));
  if (!document.take(']')) return malformed();
  return out;
}

/// The next member's name is `updates`.
std::expected<bool, BadBatch> is_updates(Cutter& document) {
  const auto name = parse_value(document.value(), "the body");
  if (!name) return bad_batch(name.error());
  std::string_view text;
  if (name->get(text) || !document.take(':')) return malformed();
  return text == "updates";
}

std::expected<Texts, BadBatch> cut_object(Cutter& document) {
  std::optional<Texts> out;
  if (!document.take('{')) return bad_batch("the body must be an array, or an object with one named updates");
  if (document.take('}')) return bad_batch("updates is required");
  do {
    PEBBLES_TRY(is_them, is_updates(document));
    if (is_them) {
      if (out) return bad_batch("updates must be given only once");
      if (!document.is_before('[')) return bad_batch("updates must be an array");
      PEBBLES_TRY(updates, cut_array(document));
      out = std::move(updates);
    } else if (const auto ignored = parse_value(document.value(), "the body"); !ignored) {
      return bad_batch(ignored.error());
    }
  } while (document.take(','));
  if (!document.take('}')) return malformed();
  if (!out) return bad_batch("updates is required");
  return *std::move(out);
}

std::expected<Texts, BadBatch> cut_document(std::string_view body) {
  Cutter document{body};
  auto out = document.is_before('[') ? cut_array(document) : cut_object(document);
  if (out && !document.is_at_end()) return malformed();
  return out;
}

std::expected<Texts, BadBatch> cut_lines(std::string_view body) {
  Texts out;
  while (!body.empty()) {
    const auto end = std::min(body.find('\n'), body.size());
    const auto line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    const auto begin = line.find_first_not_of(white_space);
    if (begin == line.npos) continue;
    if (out.size() == batch_updates_max) return too_many();
    out.push_back(line.substr(begin, line.find_last_not_of(white_space) + 1 - begin));
  }
  return out;
}

using Items = std::vector<BatchItem>;

constexpr std::string_view update_name = "the update";

void add_update(Items& out, std::expected<simdjson::dom::object, Fault> update) {
  if (!update) {
    out.emplace_back(Faults{std::move(update).error()});
    return;
  }
  std::visit([&](auto&& read) { out.emplace_back(std::forward<decltype(read)>(read)); }, read_update(*update));
}

void add_line(Items& out, std::string_view text) {
  if (text.size() > update_bytes_max)
    out.emplace_back(TooLarge{});
  else
    add_update(out, parse_object(text, update_name));
}

/// What stands in a document has to be JSON whatever becomes of the update.
std::expected<void, BadBatch> add_element(Items& out, std::string_view text) {
  const auto value = parse_value(text, "the body");
  if (!value) return bad_batch(value.error());
  if (text.size() > update_bytes_max)
    out.emplace_back(TooLarge{});
  else
    add_update(out, object_in(*value, update_name));
  return {};
}

/// Leaves out what is over `left`, but for the first.
void limit_faults(BatchItem& item, std::size_t& left) {
  auto* const faults = std::get_if<Faults>(&item);
  if (faults == nullptr) return;
  const auto kept = std::min(faults->size(), std::max<std::size_t>(left, 1));
  faults->erase(faults->begin() + static_cast<std::ptrdiff_t>(kept), faults->end());
  left -= std::min(left, kept);
}

}  // namespace

std::expected<std::vector<BatchItem>, BadBatch> parse_batch(std::string_view body, BatchForm form) {
  PEBBLES_TRY(texts, form == BatchForm::json ? cut_document(body) : cut_lines(body));
  Items out;
  out.reserve(texts.size());
  std::size_t faults_left = batch_faults_max;
  for (const auto text : texts) {
    if (form == BatchForm::json)
      PEBBLES_TRY_VOID(add_element(out, text));
    else
      add_line(out, text);
    limit_faults(out.back(), faults_left);
  }
  return out;
}

}  // namespace pebbles::admission
