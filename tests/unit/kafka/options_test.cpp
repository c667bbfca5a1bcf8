#include "ingress/kafka/options.hpp"

#include <gtest/gtest.h>

#include <array>

namespace pebbles::kafka {
namespace {

KafkaOptions options() {
  KafkaOptions out;
  out.bootstrap_servers = "127.0.0.1:9";
  out.topic = "progress";
  out.group = "pebbles";
  return out;
}

std::string value_of(const ClientConf& conf, const char* name) {
  std::array<char, 256> text{};
  std::size_t size = text.size();
  EXPECT_EQ(rd_kafka_conf_get(conf.get(), name, text.data(), &size), RD_KAFKA_CONF_OK) << name;
  return text.data();
}

TEST(KafkaOptions, AVariableNamesASetting) {
  EXPECT_EQ(setting_name("SECURITY_PROTOCOL").value(), "security.protocol");
  EXPECT_EQ(setting_name("GROUP_INSTANCE_ID").value(), "group.instance.id");
  EXPECT_EQ(setting_name("LOG_LEVEL").value(), "log_level");
}

TEST(KafkaOptions, AnUnknownSettingIsRefused) {
  const auto name = setting_name("SECURITY_PROTOKOL");
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().detail, "security.protokol is not a setting of librdkafka");
}

TEST(KafkaOptions, WhatExactnessDependsOnIsRefused) {
  for (const auto* rest : {"ENABLE_AUTO_COMMIT", "ISOLATION_LEVEL", "ACKS", "MESSAGE_TIMEOUT_MS", "GROUP_ID"})
    EXPECT_FALSE(setting_name(rest)) << rest;
  EXPECT_EQ(setting_name("GROUP_ID").error().detail, "group.id is set by KAFKA_GROUP_ID");
  auto cooperative = options();
  cooperative.librdkafka = {{"partition.assignment.strategy", "cooperative-sticky"}};
  EXPECT_FALSE(consumer_conf(cooperative));
}

TEST(KafkaOptions, ABadValueIsNamedAndASecretIsNot) {
  auto bad = options();
  bad.librdkafka = {{"session.timeout.ms", "soon"}};
  ASSERT_FALSE(consumer_conf(bad));
  EXPECT_NE(consumer_conf(bad).error().detail.find("session.timeout.ms=soon"), std::string::npos);
  EXPECT_TRUE(is_secret("sasl.password"));
  EXPECT_FALSE(is_secret("sasl.username"));
}

TEST(KafkaOptions, SettingsReachBothClients) {
  auto wanted = options();
  wanted.librdkafka = {{"security.protocol", "sasl_plaintext"}, {"fetch.max.bytes", "2000000"}};
  const auto consumer = consumer_conf(wanted).value();
  EXPECT_EQ(value_of(consumer, "fetch.max.bytes"), "2000000");
  EXPECT_EQ(value_of(consumer, "security.protocol"), "sasl_plaintext");
  EXPECT_EQ(value_of(consumer, "enable.auto.commit"), "false");
  EXPECT_EQ(value_of(consumer, "isolation.level"), "read_committed");
  EXPECT_EQ(value_of(consumer, "group.id"), "pebbles");
  const auto producer = producer_conf(wanted).value();
  EXPECT_EQ(value_of(producer, "security.protocol"), "sasl_plaintext");
  EXPECT_EQ(value_of(producer, "enable.idempotence"), "true");
}

}  // namespace
}  // namespace pebbles::kafka
