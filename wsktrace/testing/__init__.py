"""Write traces: an ETL writer and a simulator of a driver with the native provider."""
