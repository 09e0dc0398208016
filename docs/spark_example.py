"""Forecast every customer of a Spark cluster.

    spark-submit spark_example.py ORDERS VALUE

ORDERS is a folder of Parquet files with customer_id, date and amount, VALUE one that is not there
yet; both wherever the cluster keeps files.
"""

import sys

from pyspark.sql import SparkSession

import clvforecast as clv


def forecast(session: SparkSession, source: str, target: str) -> clv.LazyForecast:
    """Write the next year of every customer; what is on the right says where each line runs."""
    orders = clv.read_orders(session.read.parquet(source))  # executors check every row
    rfm = orders.summarize(time_unit="W", lazy=True)  # executors, who keep it
    buys = clv.BGNBD.fit(rfm)  # driver, on distinct histories
    spend = clv.GammaGamma.fit(rfm)  # driver, on distinct mean spends
    value = clv.forecast(
        buys, spend, rfm, horizon="52W", annual_discount_rate=0.10, margin=0.30, level=0.90
    )  # driver, once per history
    value.to_parquet(target)  # executors: a join and arithmetic
    return value


if __name__ == "__main__":
    spark = SparkSession.builder.appName("clvforecast").getOrCreate()
    print(forecast(spark, *sys.argv[1:]))
    spark.stop()
