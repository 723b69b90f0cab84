-- Workers make room for page views without owning the table: the function runs with the rights of whoever migrates.
CREATE FUNCTION create_page_view_partition(month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
  partition text := 'page_view_' || to_char(month, 'YYYY_MM');
BEGIN
  -- Two workers may come here together, and IF NOT EXISTS is no lock.
  PERFORM pg_advisory_xact_lock(hashtext(partition));
  IF to_regclass(format('%I', partition)) IS NOT NULL THEN
    RETURN;
  END IF;
  -- Attached rather than created in place, which would lock out every reader and writer of page_view.
  EXECUTE format('CREATE TABLE %I (LIKE page_view INCLUDING ALL)', partition);
  EXECUTE format('ALTER TABLE page_view ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition,
    month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
END
$$;
