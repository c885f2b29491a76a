DROP TABLE tracking;
