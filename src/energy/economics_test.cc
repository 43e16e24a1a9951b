#include "energy/economics.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

namespace millrace::energy {
namespace {

// 10 accelerators for 438,000 euro over 5 years; 2 kW idle and 10 kW at work, PUE 1.25.
Plant ten() {
  return {.accelerators = 10,
          .capital_eur = 438'000,
          .lifetime_years = 5,
          .operations_eur_per_year = 17'520,
          .idle_w = 2'000,
          .max_w = 10'000,
          .pue = 1.25};
}

TEST(Economics, AYearAtHalfUseByHand) {
  const Use use{.utilisation = 0.5, .tokens_per_accelerator_hour = 4e6};
  const Period year = expect(ten(), use, {.accelerator_hour_eur = 3.0, .mtok_eur = 0.25}, 0.10);
  EXPECT_DOUBLE_EQ(year.energy_kwh, 65'700);  // 8760 h x 1.25 x 6 kW
  EXPECT_DOUBLE_EQ(year.energy_eur, 6'570);
  EXPECT_DOUBLE_EQ(year.sold_accelerator_hours, 43'800);  // 8760 h x 10 x 0.5
  EXPECT_DOUBLE_EQ(year.tokens, 175.2e9);
  EXPECT_DOUBLE_EQ(year.revenue_eur, 131'400 + 43'800);  // 43,800 x 3 + 175,200 Mtok x 0.25

  const Costs costs = costs_of(ten(), year);
  EXPECT_DOUBLE_EQ(costs.capital_eur, 87'600);  // a fifth
  EXPECT_DOUBLE_EQ(costs.operations_eur, 17'520);
  EXPECT_DOUBLE_EQ(costs.total_eur, 111'690);
  EXPECT_DOUBLE_EQ(costs.margin_eur, 63'510);
  EXPECT_DOUBLE_EQ(costs.per_accelerator_hour_eur.value(), 2.55);
  EXPECT_DOUBLE_EQ(costs.per_mtok_eur.value(), 0.6375);  // 2.55 for 4 Mtok
}

TEST(Economics, WhatStandsIdleStillCosts) {
  const Period year = expect(ten(), {.utilisation = 0}, {.accelerator_hour_eur = 3.0}, 0.10);
  EXPECT_DOUBLE_EQ(year.energy_eur, 2'190);  // 8760 h x 1.25 x 2 kW x 0.10
  const Costs costs = costs_of(ten(), year);
  EXPECT_DOUBLE_EQ(costs.total_eur, 87'600 + 17'520 + 2'190);
  EXPECT_DOUBLE_EQ(costs.margin_eur, -107'310);
  EXPECT_FALSE(costs.per_accelerator_hour_eur.has_value());
  EXPECT_FALSE(costs.per_mtok_eur.has_value());
}

TEST(Economics, APeriodOfAnyLengthTakesItsShareOfCapitalAndOperations) {
  const Period day{.hours = 24, .sold_accelerator_hours = 120, .energy_eur = 18, .revenue_eur = 360};
  const Costs costs = costs_of(ten(), day);
  EXPECT_DOUBLE_EQ(costs.capital_eur, 240);
  EXPECT_DOUBLE_EQ(costs.operations_eur, 48);
  EXPECT_DOUBLE_EQ(costs.per_accelerator_hour_eur.value(), 2.55);
  EXPECT_DOUBLE_EQ(monthly_cash_eur(ten(), day), (360.0 - 18 - 48) * 730 / 24);
}

TEST(Economics, ThePaybackMonthIsTheFirstWhoseCashCoversTheCapital) {
  Plant plant = ten();
  plant.capital_eur = 1'000;
  EXPECT_EQ(payback_month(plant, std::array{100.0}), 10);
  EXPECT_EQ(payback_month(plant, std::array{99.0}), 11);
  EXPECT_EQ(payback_month(plant, std::array{1'000.0}), 1);
  EXPECT_EQ(payback_month(plant, std::array{-50.0, 250.0}), 10);  // 200 a pair, 1,000 after five pairs
  plant.capital_eur = 0;
  EXPECT_EQ(payback_month(plant, std::array{-1.0}), 0);
}

TEST(Economics, APlantThatDoesNotPayBackInItsLifetimeSaysSo) {
  Plant plant = ten();
  plant.capital_eur = 6'000;
  EXPECT_EQ(payback_month(plant, std::array{100.0}), 60);  // the last month of five years
  EXPECT_EQ(payback_month(plant, std::array{99.0}), std::nullopt);
  EXPECT_EQ(payback_month(plant, std::array{-5.0}), std::nullopt);
  EXPECT_EQ(payback_month(plant, {}), std::nullopt);
}

TEST(Economics, SensitivityChangesOneThingAtATime) {
  const Use use{.utilisation = 0.9, .tokens_per_accelerator_hour = 4e6};
  const PriceBook prices{.accelerator_hour_eur = 4.0};
  const auto cells = sensitivity(ten(), use, prices, std::array{0.25, 0.5}, std::array{0.1, 0.2});
  ASSERT_EQ(cells.size(), 4U);
  EXPECT_DOUBLE_EQ(cells[1].utilisation, 0.25);
  EXPECT_DOUBLE_EQ(cells[1].eur_per_kwh, 0.2);
  // A quarter used at 0.2: 8760 x 1.25 x 4 kW x 0.2 = 8,760; 87,600 sold, 17,520 for operations, 5,110 a month.
  EXPECT_EQ(cells[1].payback_month, std::nullopt);  // 438,000 / 5,110 is above 60
  EXPECT_DOUBLE_EQ(cells[1].margin_eur_per_year, 87'600 - 87'600 - 17'520 - 8'760);
  // Half used at 0.1: 175,200 sold, 17,520 and 6,570 paid: 12,592.50 a month.
  EXPECT_EQ(cells[2].payback_month, 35);
  EXPECT_DOUBLE_EQ(cells[2].cost_per_accelerator_hour_eur.value(), 2.55);
  EXPECT_DOUBLE_EQ(cells[2].cost_per_mtok_eur.value(), 0.6375);
}

TEST(Economics, MoreUseNeverCostsMoreAnHourAndDearerEnergyNeverLess) {
  std::vector<double> utilisations, prices;
  for (int i = 1; i <= 20; ++i) utilisations.push_back(i * 0.05);
  for (int i = 0; i < 10; ++i) prices.push_back(i * 0.05);
  const auto cells = sensitivity(ten(), {}, {.accelerator_hour_eur = 2}, utilisations, prices);
  for (std::size_t u = 0; u < utilisations.size(); ++u) {
    for (std::size_t p = 0; p < prices.size(); ++p) {
      const double cost = *cells[u * prices.size() + p].cost_per_accelerator_hour_eur;
      if (u > 0) EXPECT_LT(cost, *cells[(u - 1) * prices.size() + p].cost_per_accelerator_hour_eur);
      if (p > 0) EXPECT_GT(cost, *cells[u * prices.size() + p - 1].cost_per_accelerator_hour_eur);
    }
  }
}

TEST(Economics, TheMeanOfASeriesIsWhatAConstantDrawPays) {
  EXPECT_DOUBLE_EQ(mean_eur_per_kwh(std::vector<std::int64_t>{100'000, 300'000, -100'000}), 0.1);
  EXPECT_DOUBLE_EQ(mean_eur_per_kwh({}), 0.0);
}

TEST(Economics, APlantOutOfRangeIsRefusedByName) {
  EXPECT_TRUE(check(ten()));
  const auto message = [](auto change) {
    Plant plant = ten();
    change(plant);
    const auto checked = check(plant);
    return checked ? std::string("accepted")
                   : checked.error().message.substr(0, checked.error().message.find(':'));
  };
  EXPECT_EQ(message([](Plant& p) { p.accelerators = 0; }), "accelerators");
  EXPECT_EQ(message([](Plant& p) { p.capital_eur = -1; }), "capital_eur");
  EXPECT_EQ(message([](Plant& p) { p.lifetime_years = 0; }), "lifetime_years");
  EXPECT_EQ(message([](Plant& p) { p.operations_eur_per_year = -1; }), "operations_eur_per_year");
  EXPECT_EQ(message([](Plant& p) { p.max_w = 1'999; }), "max_w");
  EXPECT_EQ(message([](Plant& p) { p.pue = std::numeric_limits<double>::quiet_NaN(); }), "pue");
}

}  // namespace
}  // namespace millrace::energy
