"""One page of HTML about results: `report.report_of(dataset)` says what, `page.page(report)` writes it."""
